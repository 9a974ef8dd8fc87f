module "configuration" {
  source = "./modules/configuration"

  vault        = var.vault
  issuers      = var.issuers
  aws_identity = var.aws_identity
  credentials  = var.credentials
  answer       = var.answer
  log          = var.log
  limits       = var.limits
  stages       = var.stages
  api_ids      = [var.api.id]
  in_package   = var.configuration_in_package
  limit_bytes  = 4000 - local.other_variables_bytes
}

data "aws_partition" "this" {}
data "aws_region" "this" {}
data "aws_caller_identity" "this" {}

locals {
  is_rest = var.api.type == "REST"

  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.id # its `name` is called otherwise in version 6 of the provider
  account   = data.aws_caller_identity.this.account_id

  # Known before the function is, so that its own role can name it.
  function_arn = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}"

  # With the authorizer's own defaults.
  caller_mints = try(tonumber(coalesce(var.limits.caller_mints_per_second)), 5)
  grant_mints  = try(tonumber(coalesce(var.limits.grant_mints_per_second)), 200)

  # `sum` takes no empty list. A sensitive limit would make all that follows from it sensitive.
  other_variables_bytes = nonsensitive(sum(concat([0], [for name, value in var.environment_variables : length(name) + length(value)])))

  places = var.credentials == null ? [{ header = "Authorization" }] : var.credentials
}

# A warning and no error: what Vault can mint, and who its callers are, is for you to know. `vault-authorizer check` says the
# same of the document.
check "one_caller_leaves_half_of_a_grant" {
  assert {
    condition = !anytrue(try(flatten([for stage in values(var.stages) : [for grant in stage.grants : try(grant.token != null, false)]]), [])) || (
      local.caller_mints * var.reserved_concurrent_executions * 2 <= local.grant_mints
    )
    error_message = "limits: one caller can have ${local.caller_mints * var.reserved_concurrent_executions} tokens a second minted (caller_mints_per_second, ${local.caller_mints}, by each of ${var.reserved_concurrent_executions} instances), and a grant has ${local.grant_mints} for everybody (grant_mints_per_second). Keep the first to half of the second."
  }
}

check "concurrency_is_bounded" {
  assert {
    condition     = var.reserved_concurrent_executions != -1
    error_message = "reserved_concurrent_executions: -1 reserves none. Callers can then start as many instances as the account may run: each logs in to Vault and has tokens minted at its own limits, and other functions of the account and region find no room. An account that may run 10 at once cannot reserve any: ask for a higher quota, then reserve."
  }
}
