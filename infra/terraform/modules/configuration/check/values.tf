# What a schema cannot say: limits of time, and what two places say of each other. The function would not start with any of
# these, but for some spellings of a URL (`http://127.1`) that are refused here alone.

locals {
  unit_seconds = { s = 1, m = 60, h = 3600 }

  # The seconds of each span, by its path.
  seconds = {
    for entry in local.patterns : entry.path =>
    tonumber(substr(entry.value, 0, length(entry.value) - 1)) * local.unit_seconds[substr(entry.value, -1, 1)]
    if entry.span && can(regex(entry.schema.pattern, entry.value))
  }
  limits_in_seconds = {
    "Issuer.leeway"       = [0, 300]
    "Issuer.max_age"      = [1, 86400]
    "AwsIdentity.max_age" = [1, 900]
    "Token.ttl"           = [15, 86400]
    "Token.wrap_ttl"      = [15, 86400]
  }
  span_problems = [
    for entry in local.patterns : "${entry.path}: must be from ${join("s to ", local.limits_in_seconds[entry.of])}s"
    if can(local.limits_in_seconds[entry.of]) && can(local.seconds[entry.path])
    && try(local.seconds[entry.path] < local.limits_in_seconds[entry.of][0] || local.seconds[entry.path] > local.limits_in_seconds[entry.of][1], false)
  ]

  # Where a JWT or a credential of the authorizer's own goes: nobody may read along, but on this machine.
  # Of 127.0.0.0/8, addresses in four numbers: `http://127.1` is written out. Visible ASCII only, as the authorizer's reader has it.
  port     = "(:0*([0-9]{0,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
  byte     = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[0-9]{1,2})"
  loopback = "((?i:localhost)|127(\\.${local.byte}){3}|\\[::1\\])${local.port}"
  host     = "(\\[[0-9A-Fa-f:.]+\\]|[^/?#@:<>|^\\[\\]\\x00-\\x20\\x7f-\\x{10ffff}]+)${local.port}"
  path     = "(/[^?#\\x00-\\x20\\x7f-\\x{10ffff}]*)?"
  endpoint = "((?i:https)://${local.host}|(?i:http)://${local.loopback})${local.path}"
  secure   = "^${local.endpoint}$"
  key_uri  = "^${local.endpoint}([?][^#[:space:]]*)?$"
  only     = "^(?i:https?)://${local.loopback}/?$"

  texts = { for entry in local.entries : entry.path => entry.value if entry.type == "string" && !entry.empty }
  url_problems = concat(
    [
      for text in [for path, text in local.texts : text if path == "vault.address"] :
      "vault.address: must be https://…, or http:// to a loopback host; without a user, a query or a fragment" if !can(regex(local.secure, text))
    ],
    [
      for path, text in local.texts : "${path}: must be a loopback address, http://127.0.0.1:…; it is for development only"
      if contains(["vault.login.sts_endpoint", "aws_identity.sts_endpoint"], path) && !can(regex(local.only, text))
    ],
    [
      for name, issuer in local.issuers : "issuers.${name}.jwks: `discovery` needs an `issuer` that can be called: https://…, or http:// to a loopback host"
      if try(issuer.jwks, "discovery") == "discovery" && can(local.texts["issuers.${name}.issuer"])
      && !can(regex(local.secure, local.texts["issuers.${name}.issuer"]))
    ],
    [
      for name, issuer in local.issuers : "issuers.${name}.jwks.uri: must be https://…, or http:// to a loopback host"
      if can(local.texts["issuers.${name}.jwks.uri"]) && !can(regex(local.key_uri, local.texts["issuers.${name}.jwks.uri"]))
    ],
  )

  # What goes into a header, and what becomes part of a host's name.
  visible_texts = [
    "vault.namespace", "vault.login.server_id", "vault.login.web_identity_audience", "vault.login.role_id", "vault.login.secret_id",
    "vault.login.token", "aws_identity.server_id",
  ]
  text_problems = concat(
    [
      for path, text in local.texts : "${path}: must be visible ASCII, without spaces"
      if(contains(local.visible_texts, path) || can(regex("^stages\\.[^.]*\\.server_id$", path))) && !can(regex("^[!-~]+$", text))
    ],
    [
      for path, text in local.texts : "${path}: an AWS region is written like `eu-west-1`"
      if can(regex("^(vault\\.login\\.sts_region|aws_identity\\.sts_regions\\[[0-9]+\\])$", path)) && !can(regex(local.region, text))
    ],
    [
      for path, text in local.texts : "${path}: must be a path such as `platform/team1`"
      if path == "vault.namespace" && can(regex("^/+$", text))
    ],
    [
      for path, text in local.texts : "${path}: must be a Vault policy's name in lower case, not `root`"
      if can(regex("^stages\\.[^.]*\\.grants\\[[0-9]+\\]\\.token\\.policies\\[[0-9]+\\]$", path)) && text == "root"
    ],
    [
      for name, issuer in local.issuers : "issuers.${name}.ca_file: is of no use: `jwks` names a file, so no keys are fetched"
      if can(local.texts["issuers.${name}.ca_file"]) && can(local.texts["issuers.${name}.jwks.file"])
    ],
    [
      for name, issuer in local.issuers : "issuers.${name}.jwks: must be `discovery`, {uri = …} or {file = …}"
      if try(local.texts["issuers.${name}.jwks"], "discovery") != "discovery"
    ],
  )
  region = "^[a-z]+(-[a-z]+)+-[0-9]{1,2}$"

  issuer_names = keys(local.issuers)
  # What each looks for in a token, of which no other may look for any.
  issuer_audiences = [
    for name in local.issuer_names : try([
      for audience in local.issuers[name].audiences :
      jsonencode([local.texts["issuers.${name}.issuer"], try(local.texts["issuers.${name}.audience_claim"], "aud"), audience])
    ], [])
  ]
  issuer_problems = concat(
    [
      for name in local.issuer_names : "issuers.${name}: its name must be 1 to 64 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first, and not `arn`"
      if !can(regex(local.schema.properties.issuers.propertyNames.pattern, name)) || name == "arn"
    ],
    [
      for index, name in local.issuer_names :
      "issuers.${name}.audiences: two issuers with one `issuer` may not share an audience in one `audience_claim`"
      if anytrue([for one in local.issuer_audiences[index] : contains(flatten(slice(local.issuer_audiences, 0, index)), one)])
    ],
    # Whoever answers there says who every principal is.
    [
      for name, issuer in local.issuers : "issuers.${name}.issuer: must be an account's own issuer: https://….tokens.sts.global.api.aws"
      if contains(local.aws_issuers, name) && can(local.texts["issuers.${name}.issuer"])
      && !can(regex(local.aws_issuer, local.texts["issuers.${name}.issuer"]))
    ],
    [
      for name in local.aws_issuers : "issuers.${name}.jwks.uri: must be on the issuer's own host: whoever has the keys says who every principal is"
      if try(
        can(regex(local.key_uri, local.texts["issuers.${name}.jwks.uri"])) && can(regex(local.aws_issuer, local.texts["issuers.${name}.issuer"])) && (
          lower(regex(local.origin, local.texts["issuers.${name}.jwks.uri"])) != lower(regex(local.origin, local.texts["issuers.${name}.issuer"])) ||
          # Ports differ where the issuer is one of development.
          !can(regex("^(?i:https?)://(${local.loopback}|[^/?#:]+(:0*443|:)?)([/?]|$)", local.texts["issuers.${name}.jwks.uri"]))
      ), false)
    ],
    [
      for name in local.aws_issuers : "issuers.${name}.user_claim: `request_tags` are whatever the caller asked for: they name nobody"
      if can(regex(local.request_tags, local.texts["issuers.${name}.user_claim"]))
    ],
    flatten([
      for stage_name, stage in local.stage_mappings : [
        for name in distinct(compact([for caller in local.callers : caller.issuer if caller.stage == stage_name])) :
        "stages.${stage_name}.audiences: no token of issuer `${name}` can be for this stage: it names one audience, and none of the issuer's `audiences` is among these"
        if contains(["client_id", "azp"], try(local.texts["issuers.${name}.audience_claim"], "aud")) && try(length(stage.audiences) > 0
        && length(setintersection(stage.audiences, local.issuers[name].audiences)) == 0, false)
      ]
    ]),
    local.has_issuers || local.has_aws_identity ? [] : ["issuers: is missing: there are neither `issuers` nor `aws_identity`"],
  )

  aws_issuers = [for name, issuer in local.issuers : name if try(issuer.kind, "") == "aws_iam"]
  aws_issuer  = "^((?i:https)://[A-Za-z0-9.-]+(?i:[.]tokens[.]sts[.]global[.]api[.]aws)(:0*443|:)?/?|(?i:https?)://${local.loopback}${local.path})$"
  origin      = "^[A-Za-z]+://(?:\\[[^]]*\\]|[^/?#:]*)" # without its port
  # What a caller wrote into its request for the token.
  request_tags = "^/https:~1~1sts[.]amazonaws[.]com~1/request_tags(/|$)"

  has_issuers      = try(var.parts.issuers, null) != null
  has_aws_identity = try(var.parts.aws_identity, null) != null

  login_problems = [
    for key in ["sts_region", "sts_endpoint"] : "vault.login.${key}: is for `web_identity_audience`: nobody asks STS for what is in a file"
    if can(local.texts["vault.login.jwt_file"]) && can(local.texts["vault.login.${key}"])
  ]

  credential_problems = concat(
    [
      for path, text in local.texts : "${path}: must be a header's name that does not start with `x-vault-`"
      if can(regex("^credentials\\[[0-9]+\\]\\.header$", path)) && startswith(replace(lower(text), "_", "-"), "x-vault-")
    ],
    [
      for path, place in local.credential_names : "${path}: one place twice"
      if length([for other in values(local.credential_names) : other if other == place]) > 1
    ],
  )
  # `cookie session`, by path.
  credential_names = {
    for path, text in { for path, text in local.texts : path => text if can(regex("^credentials\\[[0-9]+\\]\\.[a-z_]+$", path)) && !endswith(path, ".scheme") } :
    path => "${regex("[a-z_]+$", path)} ${lower(text)}"
  }

  stage_problems = concat(
    [
      for name in keys(local.stages) : "stages.${name}: a stage's name must be `$default`, or 1 to 128 letters, digits, `_` and `-`"
      if !can(regex("^([$]default|[A-Za-z0-9_-]{1,128})$", name))
    ],
    [
      for name in keys(local.stage_mappings) : "stages.${name}.server_id: needs `aws_identity`"
      if !local.has_aws_identity && can(local.texts["stages.${name}.server_id"])
    ],
  )

  # Per grant: where it stands, whose callers it is for, and what binds them.
  bounds = ["bound_subject", "bound_claims", "bound_iam_principal_arns", "bound_iam_principal_ids"]
  callers = [
    for grant in local.grants : {
      stage        = grant.stage
      path         = grant.path
      issuer       = try(local.texts["${grant.path}.caller.issuer"], null)
      aws_identity = try(grant.value.caller.aws_identity == true, false)
      any          = try(grant.value.caller.any == true, false)
      bound        = [for bound in local.bounds : bound if try(grant.value.caller[bound], null) != null]
      arns         = try([for arn in grant.value.caller.bound_iam_principal_arns : tostring(arn)], [])
      claims       = try(keys(grant.value.caller.bound_claims), [])
      is_aws       = contains(local.aws_issuers, try(coalesce(local.texts["${grant.path}.caller.issuer"]), ""))
      mapping      = can(keys(grant.value.caller))
    }
  ]
  kind_of = { for name, issuer in local.issuers : name => try(issuer.kind, "") }

  caller_problems = flatten([
    for caller in local.callers : [
      for problem in [
        {
          wrong = caller.issuer != null && !contains(local.issuer_names, coalesce(caller.issuer, " "))
          text  = "caller.issuer: is not among `issuers`"
        },
        {
          wrong = caller.aws_identity && !local.has_aws_identity
          text  = "caller.aws_identity: needs `aws_identity` beside `issuers`"
        },
        {
          wrong = caller.mapping && length(caller.bound) == 0 && !caller.any
          text  = "caller: binds nothing: every caller would have this grant. Bind something, or write `any = true`"
        },
        {
          wrong = length(caller.bound) > 0 && caller.any
          text  = "caller.any: cannot stand beside a bound"
        },
        {
          wrong = caller.aws_identity && contains(caller.bound, "bound_claims")
          text  = "caller.bound_claims: never holds: an IAM proof has no claims"
        },
        {
          wrong = caller.aws_identity && contains(caller.bound, "bound_subject")
          text  = "caller.bound_subject: never holds: an IAM proof has no claims"
        },
        {
          wrong = !caller.aws_identity && contains(caller.bound, "bound_iam_principal_ids")
          text  = "caller.bound_iam_principal_ids: needs `aws_identity = true`: only STS's own answer has them"
        },
        {
          wrong = contains(caller.bound, "bound_iam_principal_arns") && try(local.kind_of[caller.issuer], "") == "jwt"
          text  = "caller.bound_iam_principal_arns: never holds: tokens of a `kind: jwt` issuer name no IAM principal"
        },
      ] : "${caller.path}.${problem.text}" if problem.wrong
    ]
  ])

  claim_problems = flatten([
    for caller in local.callers : [
      for name in caller.claims : "${caller.path}.caller.bound_claims.${name}: `request_tags` are whatever the caller asked for: bind `principal_tags`"
      if can(regex(local.request_tags, name))
    ] if caller.is_aws
  ])

  # IAM's alphabet of names, and what may stand before one.
  iam_name  = "[A-Za-z0-9_+=,.@-]{1,64}"
  iam_path  = "([!-~]{1,510}/)?"
  iam_begin = "^arn:aws(-[a-z]+)*:iam::[0-9]{12}:"
  # AWS's own tokens name a role with its path, so there may be a pattern.
  arn_pattern_problems = flatten([
    for caller in local.callers : [
      for index, arn in caller.arns :
      "${caller.path}.caller.bound_iam_principal_arns[${index}]: must be the ARN of a user or a role, such as arn:aws:iam::123456789012:role/team/*; `*` may stand only in its path and its name"
      if !(
        can(regex("${local.iam_begin}(user|role)/[^?]+$", arn)) &&
        can(regex("${local.iam_begin}(user|role)/${local.iam_path}${local.iam_name}$", replace(arn, "*", "x")))
      )
    ] if caller.is_aws
  ])
  arn_problems = flatten([
    for caller in local.callers : [
      for index, arn in caller.arns : "${caller.path}.caller.bound_iam_principal_arns[${index}]: ${
        can(regex("[*?]", arn))
        ? "must not hold `*` or `?`: GetCallerIdentity drops a role's path, so a pattern would cover more than it says"
        : "must be the ARN of a user or a role, a role's without its path, which GetCallerIdentity drops, in one of `aws_identity.accounts`"
        }" if caller.aws_identity && !(
        can(regex("${local.iam_begin}(user/${local.iam_path}|role/)${local.iam_name}$", arn)) && !can(regex("[*?]", arn))
        && contains(try([for account in var.parts.aws_identity.accounts : tostring(account)], []), try(split(":", arn)[4], ""))
      )
    ]
  ])

  # A `/*` may end a template; no segment may be empty, or hold what is not visible ASCII.
  route = "^([$]connect|([*]|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) ([$]default|/|/[*]|(/[!-)+-.0-~]+)+(/[*])?))$"
  route_problems = [
    for path, text in local.texts :
    "${path}: must be `METHOD template`, such as `GET /orders/{id}` or `* /orders/*`, where `*` is any method; or `$connect` alone"
    if can(regex("^stages\\.[^.]*\\.grants\\[[0-9]+\\]\\.routes\\[[0-9]+\\]$", path)) && !can(regex(local.route, text))
  ]

  token_problems = flatten([
    for index, grant in local.grants : [
      for problem in [
        {
          wrong = try(local.seconds["${grant.path}.token.wrap_ttl"] > local.seconds["${grant.path}.token.ttl"], false)
          text  = "wrap_ttl: must not be longer than `ttl`: the token inside would end first"
        },
        {
          wrong = local.callers[index].aws_identity && try(local.seconds["${grant.path}.token.ttl"] > 900, false)
          text  = "ttl: must be at most 900s: an IAM proof has no end that would bound it"
        },
        {
          wrong = local.callers[index].aws_identity && try(grant.value.token.entity_alias, null) != null
          text  = "entity_alias: never holds: an IAM proof has no claims"
        },
        {
          wrong = local.callers[index].is_aws && can(regex(local.request_tags, local.texts["${grant.path}.token.entity_alias.claim"]))
          text  = "entity_alias.claim: `request_tags` are whatever the caller asked for: use `principal_tags`"
        },
      ] : "${grant.path}.token.${problem.text}" if problem.wrong
    ]
  ])

  unique = { name = "two grants with one name", "token.role" = "two grants with one role" }
  unique_problems = flatten([
    for key, text in local.unique : [
      for index, grant in local.grants : [
        for other in slice(local.grants, 0, index) : "${grant.path}.${key}: ${text}; the other is ${other.path}.${key}"
        if try(local.texts["${other.path}.${key}"] == local.texts["${grant.path}.${key}"], false)
      ]
    ]
  ])

  value_problems = concat(
    local.span_problems,
    local.url_problems,
    local.text_problems,
    local.issuer_problems,
    local.login_problems,
    local.credential_problems,
    local.stage_problems,
    local.caller_problems,
    local.claim_problems,
    local.arn_problems,
    local.arn_pattern_problems,
    local.route_problems,
    local.token_problems,
    local.unique_problems,
  )
}
