# Every value that the table has a place for, level by level: `path` is where it stands, as messages have it
# (`stages.prod.api_ids[0]`), `at` its place in the table (`stages.*.api_ids[]`), `kind` that of the nearest mapping which has one.

locals {
  plain = "^[A-Za-z0-9_$/:-]{1,128}$"

  # The places that have known keys, and those which lead there.
  ways = distinct(flatten([
    for at, place in local.table.places : [
      for steps in [regexall("[.]?[^.[]+|\\[\\]", at)] : [for index in range(length(steps)) : join("", slice(steps, 0, index + 1))]
    ] if contains([for rule in try(place.between, []) : rule.rule], "keys")
  ]))

  # Keys are checked at plan, where the values of resources are not known yet. So no `try`, no `can` and no `lookup` of a value down
  # to the branches: of a mapping with one such value they know nothing. What JSON begins with is known of every mapping and list.
  # A key without a name is no place's. A kind is JSON as well, and that of a grant its whole caller; what that means is for later.
  branches_1 = [{ path = "", prefix = "", at = "", kind = "", is_list = false, value = var.parts }]
  branches_2 = flatten([for up in local.branches_1 : [for key, value in up.value : [
    for at in [trimprefix(up.is_list ? "${up.at}[]" : "${up.at}.${contains(local.named, up.at) ? "*" : coalesce(key, "?")}", ".")] : [
      for path in [up.is_list ? "${up.path}[${key}]" : "${up.prefix}${can(regex(local.plain, key)) ? key : jsonencode(key)}"] : {
        path    = path, prefix = "${path}.", at = at, value = value
        kind    = contains(keys(local.kinds), at) ? join("", [for name, kind in value : jsonencode(kind) if name == local.kinds[at]]) : up.kind
        is_list = startswith(jsonencode(value), "[")
      } if startswith(jsonencode(value), "{") || startswith(jsonencode(value), "[")
    ] if contains(local.ways, at)
  ]]])
  branches_3 = flatten([for up in local.branches_2 : [for key, value in up.value : [
    for at in [trimprefix(up.is_list ? "${up.at}[]" : "${up.at}.${contains(local.named, up.at) ? "*" : coalesce(key, "?")}", ".")] : [
      for path in [up.is_list ? "${up.path}[${key}]" : "${up.prefix}${can(regex(local.plain, key)) ? key : jsonencode(key)}"] : {
        path    = path, prefix = "${path}.", at = at, value = value
        kind    = contains(keys(local.kinds), at) ? join("", [for name, kind in value : jsonencode(kind) if name == local.kinds[at]]) : up.kind
        is_list = startswith(jsonencode(value), "[")
      } if startswith(jsonencode(value), "{") || startswith(jsonencode(value), "[")
    ] if contains(local.ways, at)
  ]]])
  branches_4 = flatten([for up in local.branches_3 : [for key, value in up.value : [
    for at in [trimprefix(up.is_list ? "${up.at}[]" : "${up.at}.${contains(local.named, up.at) ? "*" : coalesce(key, "?")}", ".")] : [
      for path in [up.is_list ? "${up.path}[${key}]" : "${up.prefix}${can(regex(local.plain, key)) ? key : jsonencode(key)}"] : {
        path    = path, prefix = "${path}.", at = at, value = value
        kind    = contains(keys(local.kinds), at) ? join("", [for name, kind in value : jsonencode(kind) if name == local.kinds[at]]) : up.kind
        is_list = startswith(jsonencode(value), "[")
      } if startswith(jsonencode(value), "{") || startswith(jsonencode(value), "[")
    ] if contains(local.ways, at)
  ]]])
  branches_5 = flatten([for up in local.branches_4 : [for key, value in up.value : [
    for at in [trimprefix(up.is_list ? "${up.at}[]" : "${up.at}.${contains(local.named, up.at) ? "*" : coalesce(key, "?")}", ".")] : [
      for path in [up.is_list ? "${up.path}[${key}]" : "${up.prefix}${can(regex(local.plain, key)) ? key : jsonencode(key)}"] : {
        path    = path, prefix = "${path}.", at = at, value = value
        kind    = contains(keys(local.kinds), at) ? join("", [for name, kind in value : jsonencode(kind) if name == local.kinds[at]]) : up.kind
        is_list = startswith(jsonencode(value), "[")
      } if startswith(jsonencode(value), "{") || startswith(jsonencode(value), "[")
    ] if contains(local.ways, at)
  ]]])
  branches_6 = flatten([for up in local.branches_5 : [for key, value in up.value : [
    for at in [trimprefix(up.is_list ? "${up.at}[]" : "${up.at}.${contains(local.named, up.at) ? "*" : coalesce(key, "?")}", ".")] : [
      for path in [up.is_list ? "${up.path}[${key}]" : "${up.prefix}${can(regex(local.plain, key)) ? key : jsonencode(key)}"] : {
        path    = path, prefix = "${path}.", at = at, value = value
        kind    = contains(keys(local.kinds), at) ? join("", [for name, kind in value : jsonencode(kind) if name == local.kinds[at]]) : up.kind
        is_list = startswith(jsonencode(value), "[")
      } if startswith(jsonencode(value), "{") || startswith(jsonencode(value), "[")
    ] if contains(local.ways, at)
  ]]])
  branches_7 = flatten([for up in local.branches_6 : [for key, value in up.value : [
    for at in [trimprefix(up.is_list ? "${up.at}[]" : "${up.at}.${contains(local.named, up.at) ? "*" : coalesce(key, "?")}", ".")] : [
      for path in [up.is_list ? "${up.path}[${key}]" : "${up.prefix}${can(regex(local.plain, key)) ? key : jsonencode(key)}"] : {
        path    = path, prefix = "${path}.", at = at, value = value
        kind    = contains(keys(local.kinds), at) ? join("", [for name, kind in value : jsonencode(kind) if name == local.kinds[at]]) : up.kind
        is_list = startswith(jsonencode(value), "[")
      } if startswith(jsonencode(value), "{") || startswith(jsonencode(value), "[")
    ] if contains(local.ways, at)
  ]]])
  branches = concat(
    local.branches_1, local.branches_2, local.branches_3, local.branches_4, local.branches_5, local.branches_6, local.branches_7
  )

  kind_of = { for node in local.branches : node.path => node.kind }

  # What stands in these, whatever it is. A key that is null was not given, unless it is a name of the user's own.
  leaves_1 = flatten([for up in local.branches : [for key, value in up.value : [
    for at in [trimprefix(up.is_list ? "${up.at}[]" : "${up.at}.${contains(local.named, up.at) ? "*" : coalesce(key, "?")}", ".")] : [
      for path in [up.is_list ? "${up.path}[${key}]" : "${up.prefix}${can(regex(local.plain, key)) ? key : jsonencode(key)}"] : {
        path = path, at = at, name = key, kind = try(local.kind_of[path], up.kind), value = jsondecode(jsonencode(value))
      }
    ] if contains(local.at, at)
  ] if up.is_list || contains(local.named, up.at) || jsonencode(value) != "null"]])
  # Below them are lists of texts, and the claims, whose names are the user's; each may be a list.
  leaves_2 = flatten([for up in local.leaves_1 : [for child in try([for key, value in up.value : { key = key, value = value }], []) : [
    for at in [can(up.value[0]) ? "${up.at}[]" : "${up.at}.*"] : {
      path  = can(up.value[0]) ? "${up.path}[${child.key}]" : "${up.path}.${can(regex(local.plain, child.key)) ? child.key : jsonencode(child.key)}"
      at    = at, name = child.key, kind = up.kind
      value = child.value
    } if contains(local.at, at)
  ]] if !contains(local.ways, up.at)])
  leaves_3 = flatten([for up in local.leaves_2 : [for index, value in try(concat(up.value, []), []) : {
    path = "${up.path}[${index}]", at = "${up.at}[]", name = "", kind = up.kind, value = value
  } if contains(local.at, "${up.at}[]")]])

  # The caller whose kind a grant has is of an issuer's kind.
  issuer_kinds = { for node in local.branches : jsonencode(try(regex("^issuers[.](.*)$", node.path)[0], "")) => node.kind if node.at == "issuers.*" }
  callers      = distinct([for node in local.branches : node.kind if startswith(node.kind, "{")])
  caller_kinds = {
    for caller in local.callers : caller => try(jsondecode(caller).issuer, null) == null ? (
      try(jsondecode(caller).aws_identity == true, false) ? jsonencode("aws_identity") : ""
    ) : try(local.issuer_kinds[jsonencode(jsondecode(caller).issuer)], "")
  }

  # With what rules ask of a value. The type is seen in its JSON: Terraform converts between texts, numbers and booleans.
  types = { "\"" = "text", "{" = "mapping", "[" = "list", "t" = "boolean", "f" = "boolean", "n" = "null" }
  nodes = [
    for node in concat([{ path = "", at = "", name = "", kind = "", value = var.parts }], local.leaves_1, local.leaves_2, local.leaves_3) : merge(node, {
      kind = try(local.caller_kinds[node.kind], node.kind)
      json = jsonencode(node.value)
      type = lookup(local.types, substr(jsonencode(node.value), 0, 1), "number")
      # Also where all keys are null.
      is_empty = contains(["\"\"", "[]", "{}"], jsonencode(node.value)) || (
        startswith(jsonencode(node.value), "{") && !contains(local.named, node.at) && try(alltrue([for value in node.value : value == null]), false)
      )
      # 64 bits are what the authorizer's reader has for whole numbers.
      is_whole = try(floor(node.value) == node.value && node.value >= -9223372036854775808 && node.value <= 18446744073709551615, false)
      text     = one([for text in [node.value] : text if startswith(jsonencode(text), "\"") && jsonencode(text) != "\"\""])
      # ASCII alone: no other letter may become one.
      folded = try(join("", [for run in regexall("[ -~]+|[^ -~]+", node.value) : can(regex("^[ -~]", run)) ? lower(run) : run]), null)
    })
  ]
}
