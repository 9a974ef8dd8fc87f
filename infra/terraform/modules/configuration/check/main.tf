# What is wrong with the parts of a configuration: each problem with its path, in the words of the authorizer's own reader, all
# together. Receives the parts as they were written. No message quotes a value: one can be a secret.
#
# The form (keys, types, words, patterns, numbers) is read from authorizer.schema.json, to which the authorizer's reader is held:
# a key that is new there is known here. What a schema cannot say stands in values.tf.

terraform {
  required_version = ">= 1.9"
}

variable "parts" {
  description = "vault, issuers, aws_identity, credentials, answer, log, limits and stages; null where not given."
  type        = any
}

locals {
  schema      = jsondecode(file("${path.module}/../../../../authorizer.schema.json"))
  definitions = local.schema["$defs"]

  # Its API is known to whoever calls this.
  stage_schema = merge(local.definitions.Stage, {
    properties = { for key, property in local.definitions.Stage.properties : key => property if key != "api_ids" }
    required   = ["grants"]
  })

  # Which keys a login and an issuer have, follows from one of them.
  logins = { for choice in local.definitions.Login.oneOf : choice.properties.method.const => choice }
  kinds  = { for choice in local.definitions.Issuer.oneOf : choice.properties.kind.const => choice }

  # Keys are checked at plan, where the values of resources are not known yet. So no `try`, no `can` and no `lookup` down to
  # `unknown_keys`: of a mapping with one such value they know nothing. What JSON begins with is known of every mapping and list.
  parts   = { for key, part in var.parts : key => part if part != null }
  vaults  = [for key, part in local.parts : part if key == "vault" && startswith(jsonencode(part), "{")]
  stages  = merge([for key, part in local.parts : part if key == "stages" && startswith(jsonencode(part), "{")]...)
  issuers = merge([for key, part in local.parts : part if key == "issuers" && startswith(jsonencode(part), "{")]...)
  sources = flatten([for key, part in local.parts : part if key == "credentials" && startswith(jsonencode(part), "[")])

  issuer_mappings = { for name, issuer in local.issuers : name => issuer if startswith(jsonencode(issuer), "{") }
  stage_mappings  = { for name, stage in local.stages : name => stage if startswith(jsonencode(stage), "{") }

  # Each grant with its stage and with where it stands.
  grants = flatten([for name, stage in local.stage_mappings : [
    for key, value in stage : [
      for index, grant in value : { stage = name, path = "stages.${name}.grants[${index}]", value = grant }
    ] if key == "grants" && startswith(jsonencode(value), "[")
  ]])

  # The mappings below these, by where they stand.
  below_vault = flatten([for vault in local.vaults : [
    for key, value in vault : { key = key, value = value } if startswith(jsonencode(value), "{")
  ]])
  below_issuers = flatten([for name, issuer in local.issuer_mappings : [
    for key, value in issuer : { issuer = name, key = key, value = value } if startswith(jsonencode(value), "{")
  ]])
  below_grants = flatten([for grant in local.grants : [
    for key, value in grant.value : { path = "${grant.path}.${key}.", key = key, value = value } if startswith(jsonencode(value), "{")
  ] if startswith(jsonencode(grant.value), "{")])
  below_tokens = flatten([for token in local.below_grants : [
    for key, value in token.value : { path = "${token.path}${key}.", key = key, value = value } if startswith(jsonencode(value), "{")
  ] if token.key == "token"])

  # Every mapping whose keys are the schema's: its path, what is known of it, and what is there. Where something else than a
  # mapping stands, the check of its type says so.
  mappings = concat(
    [{ path = "", of = "Top", schema = local.schema, value = local.parts }],
    [for vault in local.vaults : { path = "vault.", of = "Vault", schema = local.definitions.Vault, value = vault }],
    flatten([for login in local.below_vault : [
      for method, schema in local.logins : { path = "vault.login.", of = "Login", schema = schema, value = login.value }
      if contains([for key, value in login.value : value if key == "method"], method)
    ] if login.key == "login"]),
    flatten([for name, issuer in local.issuer_mappings : [
      for kind, schema in local.kinds : { path = "issuers.${name}.", of = "Issuer", schema = schema, value = issuer }
      if contains([for key, value in issuer : value if key == "kind"], kind)
    ]]),
    [
      for place in local.below_issuers :
      { path = "issuers.${place.issuer}.jwks.", of = "JwksPlace", schema = local.definitions.JwksPlace, value = place.value } if place.key == "jwks"
    ],
    [
      for place in local.below_issuers :
      { path = "issuers.${place.issuer}.binding.", of = "Binding", schema = local.definitions.Binding, value = place.value } if place.key == "binding"
    ],
    flatten([for name, definition in { aws_identity = "AwsIdentity", answer = "Answer", log = "Log", limits = "Limits" } : [
      for key, part in local.parts : { path = "${name}.", of = definition, schema = local.definitions[definition], value = part }
      if key == name && startswith(jsonencode(part), "{")
    ]]),
    [
      for index, source in local.sources :
      { path = "credentials[${index}].", of = "CredentialSource", schema = local.definitions.CredentialSource, value = source }
      if startswith(jsonencode(source), "{")
    ],
    [for name, stage in local.stage_mappings : { path = "stages.${name}.", of = "Stage", schema = local.stage_schema, value = stage }],
    [
      for grant in local.grants : { path = "${grant.path}.", of = "Grant", schema = local.definitions.Grant, value = grant.value }
      if startswith(jsonencode(grant.value), "{")
    ],
    [
      for place in local.below_grants :
      { path = place.path, of = "Caller", schema = local.definitions.Caller, value = place.value } if place.key == "caller"
    ],
    [
      for place in local.below_grants :
      { path = place.path, of = "Token", schema = local.definitions.Token, value = place.value } if place.key == "token"
    ],
    [
      for place in local.below_tokens :
      { path = place.path, of = "EntityAlias", schema = local.definitions.EntityAlias, value = place.value } if place.key == "entity_alias"
    ],
  )

  unknown_keys = flatten([
    for place in local.mappings : [
      for key in keys(place.value) : "${place.path}${key}: is not a known key; known are: ${join(", ", keys(place.schema.properties))}"
      if !contains(keys(place.schema.properties), key)
    ]
  ])
}

output "unknown_keys" {
  description = "Keys that the authorizer does not know. They depend on no value but `method` and `kind`, and so are known at plan."
  value       = nonsensitive(sort(local.unknown_keys))
}

output "problems" {
  description = "Everything else that is wrong."
  value       = nonsensitive(sort(concat(local.form_problems, local.value_problems)))
}
