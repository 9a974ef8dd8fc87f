# A login with a secret that is marked as one, and which no message may quote, though it is not even of the right form.

locals {
  secret = sensitive("the secret of the test")
  issuers = {
    corp = { kind = "jwt", issuer = "https://a.example", audiences = ["a"], algorithms = ["RS256"], jwks = "discovery" }
  }
  stages = {
    prod = {
      grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }]
    }
  }
}

module "configuration" {
  source   = "../.."
  for_each = toset(["approle", "token"])

  vault = {
    address = "https://vault.example.com"
    login = {
      approle = { method = "approle", role_id = "r", secret_id = sensitive("s3cr3t") }
      token   = { method = "token", token = sensitive("s3cr3t") }
    }[each.key]
  }
  issuers = local.issuers
  stages  = local.stages
  api_ids = ["a1b2c3d4e5"]
}

module "check" {
  source = "../../check"
  parts = {
    vault = {
      address   = local.secret
      namespace = local.secret
      login     = { method = "approle", role = local.secret, role_id = local.secret, secret_id = local.secret }
      ca_file   = [local.secret]
    }
    issuers = local.issuers
    stages = {
      prod = {
        server_id = local.secret
        audiences = local.secret
        grants = [{
          name  = local.secret, routes = [local.secret], caller = { issuer = local.secret, bound_claims = { a = [{ b = local.secret }] } }
          token = { role = local.secret, policies = [local.secret], ttl = local.secret, wrap_ttl = local.secret, entity_alias = local.secret }
        }]
      }
    }
  }
}

# Terraform refuses an output that is made of a secret and is not marked so.
output "bytes" {
  value = { for name, one in module.configuration : name => [one.document_bytes, one.packed_bytes] }
}

output "documents_are_sensitive" {
  value = { for name, one in module.configuration : name => issensitive(one.document) && issensitive(one.environment_value) }
}

output "messages" {
  value = concat(module.check.unknown_keys, module.check.problems)
}
