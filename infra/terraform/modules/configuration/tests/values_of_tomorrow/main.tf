# A configuration as most are: the issuer and the audience are of resources that a plan has yet to make, and a secret is marked as
# one.

resource "terraform_data" "issuer" {}

module "check" {
  source = "../../check"
  parts = {
    vault = {
      address = "https://vault.example.com"
      login   = { method = "approle", role_id = "r", secret_id = sensitive("s") }
    }
    issuers = {
      corp = { kind = "jwt", issuer = terraform_data.issuer.id, ca_file = terraform_data.issuer.output, audiences = [terraform_data.issuer.id], algorithms = ["RS256"], jwks = "discovery" }
    }
    stages = {
      prod = {
        grants = [{
          name   = "orders-reader"
          routes = ["GET /orders"]
          caller = { issuer = "corp", bound_subjct = terraform_data.issuer.id, bound_claims = { tenant = terraform_data.issuer.output } }
          token  = { role = "orders-reader", policies = ["orders-read"], ttl = "2m", wrap_ttl = "30s" }
        }]
      }
    }
  }
}

output "unknown_keys" {
  value = module.check.unknown_keys
}

output "problems" {
  value = module.check.problems
}
