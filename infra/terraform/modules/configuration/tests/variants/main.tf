# What one document cannot have beside every_key.json: the other ways to log in to Vault, and another place of STS.

locals {
  variants = jsondecode(file("${path.module}/../variants.json"))
  parts    = jsondecode(file("${path.module}/../every_key.json"))
}

module "configuration" {
  source   = "../.."
  for_each = { for index, variant in local.variants : index => variant }

  vault        = lookup(each.value, "vault", local.parts.vault)
  issuers      = local.parts.issuers
  aws_identity = lookup(each.value, "aws_identity", local.parts.aws_identity)
  stages       = local.parts.stages
  api_ids      = ["a1b2c3d4e5"]
}

output "variants" {
  value = [
    for index, variant in local.variants :
    { for key, part in jsondecode(module.configuration[index].document) : key => part if contains(keys(variant), key) }
  ]
}
