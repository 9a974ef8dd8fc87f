# The authorizer of an HTTP API that is there, configured by the parts of a document: the file `fixture`.

variable "fixture" {
  type = string
}

variable "api" {
  type = string
}

variable "zip" {
  type = string
}

locals {
  parts = jsondecode(file(var.fixture))
}

provider "aws" {}

module "authorizer" {
  source       = "../terraform"
  name         = "by-terraform"
  api          = { type = "HTTP", id = var.api }
  package      = { file = var.zip }
  vault        = local.parts.vault
  issuers      = try(local.parts.issuers, null)
  aws_identity = try(local.parts.aws_identity, null)
  credentials  = try(local.parts.credentials, null)
  answer       = try(local.parts.answer, null)
  log          = try(local.parts.log, null)
  limits       = try(local.parts.limits, null)
  stages       = local.parts.stages
  dashboard    = true
}
