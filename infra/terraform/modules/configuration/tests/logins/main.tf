# One document for each way to log in to Vault.

locals {
  logins = jsondecode(file("${path.module}/../other_logins.json"))
  parts  = jsondecode(file("${path.module}/../every_key.json"))
}

module "configuration" {
  source   = "../.."
  for_each = { for index, login in local.logins : index => login }

  vault        = merge(local.parts.vault, { login = each.value })
  issuers      = local.parts.issuers
  aws_identity = local.parts.aws_identity
  stage        = local.parts.stage
  api_ids      = ["a1b2c3d4e5"]
}

output "logins" {
  value = [for configuration in module.configuration : jsondecode(configuration.document).vault.login]
}
