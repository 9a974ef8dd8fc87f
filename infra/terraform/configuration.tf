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

  # With the authorizer's own defaults.
  caller_mints = try(tonumber(coalesce(var.limits.caller_mints_per_second)), 5)
  grant_mints  = try(tonumber(coalesce(var.limits.grant_mints_per_second)), 200)

  places = var.credentials == null ? [{ header = "Authorization" }] : var.credentials
}

# A warning and no error: what Vault can mint, and who its callers are, is for you to know. `vault-authorizer check` says the
# same of the document.
check "one_caller_leaves_half_of_a_grant" {
  assert {
    condition = !anytrue(try([for grant in var.stage.grants : try(grant.token != null, false)], [])) || (
      local.caller_mints * var.reserved_concurrent_executions * 2 <= local.grant_mints
    )
    error_message = "limits: one caller can have ${local.caller_mints * var.reserved_concurrent_executions} tokens a second minted (caller_mints_per_second, ${local.caller_mints}, by each of ${var.reserved_concurrent_executions} instances), and a grant has ${local.grant_mints} for everybody (grant_mints_per_second). Keep the first to half of the second."
  }
}
