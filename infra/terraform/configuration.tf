module "configuration" {
  source = "./modules/configuration"

  vault        = var.vault
  issuers      = var.issuers
  aws_identity = var.aws_identity
  credentials  = var.credentials
  answer       = var.answer
  log          = var.log
  limits       = var.limits
  stage        = var.stage
  api_ids      = [var.api.id]
  in_package   = var.configuration_in_package
}

data "aws_partition" "this" {}
data "aws_region" "this" {}
data "aws_caller_identity" "this" {}

locals {
  full_name = "${var.name}-${trimprefix(var.stage.name, "$")}"
  is_rest   = var.api.type == "REST"

  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.id # its `name` is called otherwise in version 6 of the provider
  account   = data.aws_caller_identity.this.account_id

  # Known before the function is, so that its own role can name it.
  function_arn = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.full_name}"

  places = var.credentials == null ? [{ header = "Authorization" }] : var.credentials
}
