# What each run has where it says nothing else.

name    = "orders"
api     = { type = "REST", id = "a1b2c3d4e5", name = "orders-api" }
package = { file = "./versions.tf" } # any file there is
vault   = { address = "https://vault.example.com", login = { method = "aws", role = "api-authorizer", server_id = "vault.example.com" } }
issuers = { corp = { kind = "jwt", issuer = "https://login.example.com/", audiences = ["orders-api"], algorithms = ["RS256"], jwks = "discovery" } }
stages = {
  prod = {
    grants = [{
      name   = "orders-reader"
      routes = ["GET /orders"]
      caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
      token  = { role = "orders-prod-reader", policies = ["orders-prod-read"], ttl = "2m", wrap_ttl = "30s" }
    }]
  }
}
