# One document out of its parts: pure, without a provider. Receives what the user writes; produces the JSON that
# the authorizer reads, and the value of its variable AUTHORIZER_CONFIG. What is wrong with the parts is said by the module
# `check`, all together; the outputs refuse to be made of them.

terraform {
  required_version = ">= 1.9"
}

module "check" {
  source = "./check"
  parts = {
    vault        = var.vault
    issuers      = var.issuers
    aws_identity = var.aws_identity
    credentials  = var.credentials
    answer       = var.answer
    log          = var.log
    limits       = var.limits
    stages       = var.stages
  }
}

locals {
  # A key that is null was not given: the reader takes no nulls. A part that is not of the right form stays as it is, for the
  # check to name.
  vault = try(merge(
    { for key, value in var.vault : key => value if value != null },
    { login = { for key, value in var.vault.login : key => value if value != null } },
  ), var.vault)

  issuers = try({
    for name, issuer in var.issuers : name => merge(
      { for key, value in issuer : key => value if value != null && !contains(["jwks", "binding"], key) },
      # Mappings of their own, but for the text `discovery`.
      {
        for name, part in { jwks = try(issuer.jwks, null), binding = try(issuer.binding, null) } :
        name => try({ for key, value in part : key => value if value != null }, part) if part != null
      },
    )
  }, var.issuers)

  # No conditional here: it would make one type of its two sides.
  stages = try({
    for name, stage in var.stages : name => merge(
      { for key, value in stage : key => value if value != null && key != "grants" },
      {
        grants = [
          for grant in stage.grants : merge(
            { for key, value in grant : key => value if value != null && key != "token" },
            { caller = { for key, value in grant.caller : key => value if value != null } },
            {
              for token in [try(grant.token, null)] : "token" => { for key, value in token : key => value if value != null }
              if token != null
            },
          )
        ]
      },
    )
  }, {})

  simple_parts = {
    for name, part in {
      aws_identity = var.aws_identity
      answer       = var.answer
      log          = var.log
      limits       = var.limits
    } : name => try({ for key, value in part : key => value if value != null }, part) if part != null
  }

  credentials = try([
    for place in var.credentials : { for key, value in place : key => value if value != null }
  ], var.credentials)

  # API Gateway's own ids have ten characters. With a placeholder the size is known before the API is, and the form of the value
  # does not change between plan and apply.
  placeholder = ["0123456789"]

  documents = {
    for name, api_ids in { real = var.api_ids, placeholder = local.placeholder } : name => jsonencode(merge(
      { vault = local.vault },
      { for key, value in { issuers = local.issuers } : key => value if var.issuers != null },
      { for key, value in { credentials = local.credentials } : key => value if var.credentials != null },
      local.simple_parts,
      { stages = { for name, stage in local.stages : name => merge(stage, { api_ids = api_ids }) } },
    ))
  }

  values = {
    for name, document in local.documents : name => {
      inline = document
      packed = "base64gzip:${base64gzip(document)}"
    }
  }

  # `length` counts characters; base64 counts bytes. A document with a
  # secret is sensitive; its size is not, and Terraform would hide the message that says it.
  bytes = {
    for form, value in local.values.placeholder : form =>
    nonsensitive(length(base64encode(value)) / 4 * 3 - length(regexall("=", base64encode(value))))
  }
  form = local.bytes.inline <= var.limit_bytes ? "inline" : "packed"
}
