# What authorizer.schema.json says of every key that is there, and of those that are not.

locals {
  # Keys with a value; what they hold is as long as a plan does not know it.
  given = [for place in local.mappings : merge(place, { keys = [for key, value in place.value : key if value != null] })]

  # Every value of a known key, and of its list, with what the schema says of it. A reference is followed once: none leads to
  # another.
  of_keys = flatten([
    for place in local.given : [
      for key in place.keys : {
        path  = "${place.path}${key}"
        of    = "${place.of}.${key}"
        value = place.value[key]
        schema = merge(
          try(local.definitions[trimprefix(place.schema.properties[key]["$ref"], "#/$defs/")], {}),
          place.schema.properties[key],
        )
      } if contains(keys(place.schema.properties), key)
    ]
  ])
  of_items = flatten([
    for entry in local.of_keys : [
      for index in range(can(concat(entry.value, [])) ? length(entry.value) : 0) : {
        path  = "${entry.path}[${index}]"
        of    = "${entry.of}[]"
        value = entry.value[index]
        schema = merge(
          { description = try(entry.schema.description, "") },
          try(local.definitions[trimprefix(entry.schema.items["$ref"], "#/$defs/")], {}),
          entry.schema.items,
        )
      }
    ] if can(entry.schema.items)
  ])
  # A claim's value is a text, a number, a boolean or a list of these; its name is the user's.
  of_claims = flatten([
    for entry in local.of_keys : [
      for name in try(keys(entry.value), []) : {
        path   = "${entry.path}.${name}"
        of     = "Claim"
        value  = entry.value[name]
        schema = {}
      }
    ] if entry.of == "Caller.bound_claims"
  ])
  of_claim_items = flatten([
    for entry in local.of_claims : [
      for index in range(can(concat(entry.value, [])) ? length(entry.value) : 0) : {
        path   = "${entry.path}[${index}]"
        of     = "Claim[]"
        value  = entry.value[index]
        schema = {}
      }
    ]
  ])

  # The type of a value is seen in its JSON: Terraform converts between texts, numbers and booleans wherever it can.
  json_types = { "\"" = "string", "{" = "object", "[" = "array", "t" = "boolean", "f" = "boolean", "n" = "null" }
  entries = [
    for entry in concat(local.of_keys, local.of_items, local.of_claims, local.of_claim_items) : merge(entry, {
      type  = lookup(local.json_types, substr(jsonencode(entry.value), 0, 1), "number")
      empty = contains(["\"\"", "[]", "{}"], jsonencode(entry.value))
      words = try(entry.schema.enum, [entry.schema.const], [for choice in entry.schema.oneOf : choice.const], [])
    })
  ]

  wanted_types = {
    string  = "must be text"
    array   = "must be a list"
    object  = "must be a mapping"
    boolean = "must be true or false"
    integer = "must be a whole number"
  }

  type_problems = [
    for entry in local.entries : "${entry.path}: ${
      startswith(entry.of, "Claim") ? "must be text, a number, a boolean or a list of these" :
      entry.of == "Issuer.jwks" ? "must be `discovery`, {uri = …} or {file = …}" :
      try(entry.schema.type, "string") == "string" && contains(["number", "boolean"], entry.type) ? "must be text: put it in quotes" :
      local.wanted_types[try(entry.schema.type, "string")]
      }" if !(
      entry.of == "Claim" ? contains(["string", "number", "boolean", "array"], entry.type) :
      entry.of == "Claim[]" ? contains(["string", "number", "boolean"], entry.type) :
      entry.of == "Issuer.jwks" ? contains(["string", "object"], entry.type) :
      # A choice by `method` or `kind`.
      can(entry.schema.oneOf[0].properties) ? entry.type == "object" :
      try(entry.schema.type, "string") == "integer" ? entry.type == "number" && try(floor(entry.value) == entry.value, false) :
      entry.type == try(entry.schema.type, "string")
    )
  ]

  empty_problems = [
    for entry in local.entries : "${entry.path}: must not be empty"
    if entry.empty && (
      contains(["string", "array"], entry.type) ||
      entry.type == "object" && contains(["Top.issuers", "Top.stages", "Caller.bound_claims"], entry.of)
    )
  ]

  word_problems = [
    for entry in local.entries : "${entry.path}: must be ${
      length(entry.words) == 1 ? "${jsonencode(entry.words[0])} where it is written" : "one of ${join(", ", entry.words)}"
    }"
    if length(entry.words) > 0 && !entry.empty && contains(["string", "boolean"], entry.type)
    && try(entry.schema.type, "string") == entry.type && !contains([for word in entry.words : jsonencode(word)], jsonencode(entry.value))
  ]

  patterns = [for entry in local.entries : merge(entry, { span = try(entry.schema.pattern, "") == local.definitions.Span.pattern }) if can(entry.schema.pattern)]
  pattern_problems = [
    for entry in local.patterns : "${entry.path}: ${
      entry.span ? "must be a whole number with a unit: 30s, 2m, 1h" : "does not match ${entry.schema.pattern}: ${try(entry.schema.description, "")}"
    }"
    if entry.type == "string" && !entry.empty && !can(regex(entry.schema.pattern, entry.value))
  ]

  number_problems = [
    for entry in local.entries : "${entry.path}: must be ${
      can(entry.schema.maximum) ? "from ${entry.schema.minimum} to ${entry.schema.maximum}" : "at least ${entry.schema.minimum}"
    }"
    if can(entry.schema.minimum) && entry.type == "number"
    && try(entry.value < entry.schema.minimum || entry.value > try(entry.schema.maximum, entry.value), false)
  ]

  # An exact comparison needs whole numbers of 64 bits, in the configuration and in a token.
  whole = local.definitions.WholeNumber
  whole_problems = [
    for entry in local.entries : "${entry.path}: must be a whole number from ${local.whole.minimum} to ${local.whole.maximum}: ${
      "no other can be compared exactly. Put it in quotes if the claim is text"
    }"
    if startswith(entry.of, "Claim") && entry.type == "number"
    && try(floor(entry.value) != entry.value || entry.value < local.whole.minimum || entry.value > local.whole.maximum, false)
  ]

  length_problems = [
    for entry in local.entries : "${entry.path}: must have at most ${entry.schema.maxLength} characters"
    if can(entry.schema.maxLength) && entry.type == "string" && try(length(entry.value) > entry.schema.maxLength, false)
  ]

  missing_problems = flatten([
    for place in local.given : [
      for key in concat(
        try(place.schema.required, []),
        flatten([for present, needed in try(place.schema.dependentRequired, {}) : needed if contains(place.keys, present)]),
      ) : "${place.path}${key}: is missing" if !contains(place.keys, key)
    ]
  ])

  # Of some keys exactly one: `oneOf` of what is required, or one property alone.
  alternatives = [
    for place in local.given : merge(place, {
      choices = try([for choice in place.schema.oneOf : one(choice.required)], try(place.schema.maxProperties, 0) == 1 ? keys(place.schema.properties) : [])
    })
  ]
  choice_problems = [
    for place in local.alternatives : "${trimsuffix(place.path, ".")}: needs one of ${join(", ", formatlist("`%s`", place.choices))}${
      length(setintersection(place.keys, place.choices)) > 1 ? ", and not more" : ""
    }"
    if length(place.choices) > 0 && length(setintersection(place.keys, place.choices)) != 1
  ]

  # A login or an issuer that names no known choice has no known keys either.
  unnamed_problems = concat(
    [
      for login in local.below_vault : "vault.login.method: must be one of ${join(", ", keys(local.logins))}"
      if login.key == "login" && !can(local.logins[login.value.method])
    ],
    [
      for name, issuer in local.issuers : "issuers.${name}.kind: must be one of ${join(", ", keys(local.kinds))}"
      if can(keys(issuer)) && !can(local.kinds[issuer.kind])
    ],
    [for name, issuer in local.issuers : "issuers.${name}: must be a mapping" if !can(keys(issuer))],
    [for name, stage in local.stages : "stages.${name}: must be a mapping" if !can(keys(stage))],
  )

  form_problems = concat(
    local.missing_problems,
    local.unnamed_problems,
    local.choice_problems,
    local.type_problems,
    local.empty_problems,
    local.word_problems,
    local.pattern_problems,
    local.number_problems,
    local.whole_problems,
    local.length_problems,
  )
}
