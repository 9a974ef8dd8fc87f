# A document of its parts alone, without a provider: the file `fixture`.

variable "fixture" {
  type = string
}

locals {
  parts = jsondecode(file(var.fixture))
}

module "configuration" {
  source       = "../terraform/modules/configuration"
  api_ids      = ["a1b2c3d4e5"]
  vault        = local.parts.vault
  issuers      = try(local.parts.issuers, null)
  aws_identity = try(local.parts.aws_identity, null)
  credentials  = try(local.parts.credentials, null)
  answer       = try(local.parts.answer, null)
  log          = try(local.parts.log, null)
  limits       = try(local.parts.limits, null)
  stages       = local.parts.stages
}

output "document" {
  value = module.configuration.document
}
