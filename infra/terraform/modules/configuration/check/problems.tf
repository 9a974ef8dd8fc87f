# What the rules say of the values. Each word is explained once, in authorizer/document/src/rules.rs.

locals {
  json    = { for node in local.nodes : node.path => node.json }
  texts   = { for node in local.nodes : node.path => node.text if node.text != null }
  folded  = { for node in local.nodes : node.path => node.folded if node.text != null }
  seconds = { for path, text in local.texts : path => tonumber(regex("^[0-9]+", text)) * { s = 1, m = 60, h = 3600 }[substr(text, -1, 1)] if can(regex("^[0-9]+[smh]$", text)) }

  # Of one value: the first that fails.
  own = {
    for node in local.nodes : node.path => [
      for rule in local.places[node.at].own : replace(rule.message, "{known}", try(local.known[rule.section], "none")) if(length(rule.of) == 0 || contains(rule.of, node.kind)) && (
        rule.rule == "type" ? !contains(rule.types, node.type) && !(node.is_whole && contains(rule.types, "whole")) :
        rule.rule == "filled" ? node.is_empty :
        rule.rule == "one_of" ? contains(["text", "boolean"], node.type) && !contains([for value in rule.values : jsonencode(value)], node.json) :
        rule.rule == "pattern" ? node.text != null && !can(regex(rule.pattern, rule.fold ? node.folded : node.text)) :
        rule.rule == "not" ? can(regex(rule.pattern, rule.fold ? node.folded : node.text)) :
        rule.rule == "named" ? !can(regex(rule.pattern, node.name)) :
        rule.rule == "not_named" ? can(regex(rule.pattern, node.name)) :
        rule.rule == "length" ? try(length(node.text) > rule.most, false) :
        rule.rule == "range" ? node.type == "number" && !(node.is_whole && try(node.value >= rule.least && node.value <= coalesce(rule.most, node.value), false)) :
        rule.rule == "seconds" ? try(local.seconds[node.path] < rule.least || local.seconds[node.path] > rule.most, false) :
        rule.rule == "never" ? true :
        rule.rule == "needs" ? node.json != "false" && try(local.json[rule.section], "false") == "false" :
        rule.rule == "among" ? try(!contains(local.sections[rule.section], rule.pattern == null ? node.text : regex(rule.pattern, node.text)[0]), node.text != null && rule.pattern == null && !can(local.sections[rule.section])) :
        rule.rule == "alone" ? try(length(node.value) > 1 && contains([for item in node.value : jsonencode(item)], jsonencode(rule.value)), false) :
        tobool("no such word: ${rule.rule}")
      )
    ]
  }
  own_problems = { for path, messages in local.own : path => messages[0] if length(messages) > 0 }

  # What `among` looks in: the keys of a section, or the texts of a list.
  sections = {
    for section, json in local.json : section => try(keys(jsondecode(json)), [for item in jsondecode(json) : item if startswith(jsonencode(item), "\"")])
    if can(regex("^[{[]", json))
  }

  known = { for section, names in local.sections : section => join(", ", [for name in names : can(regex(local.plain, name)) ? name : jsonencode(name)]) if length(names) > 0 }

  # Between the keys of a mapping. `false` counts as not there.
  relations = flatten([
    for node in local.nodes : [
      for rule in local.places[node.at].between : merge(rule, {
        of_path = node.path
        prefix  = trimprefix("${node.path}.", ".")
        there   = [for key in rule.keys : key if try(local.json[trimprefix("${node.path}.${key}", ".")], "false") != "false"]
      }) if length(rule.of) == 0 || contains(rule.of, node.kind)
    ] if node.type == "mapping"
  ])
  broken = [
    for rule in local.relations : { path = rule.tell == "" ? rule.of_path : "${rule.prefix}${rule.tell}", message = rule.message } if(
      rule.rule == "has" ? !can(local.json["${rule.prefix}${rule.key}"]) :
      rule.rule == "some" ? length(rule.there) == 0 :
      contains(["single", "never_with"], rule.rule) ? length(rule.there) > 1 :
      rule.rule == "beside" ? contains(rule.there, rule.other) && !contains(rule.there, rule.key) :
      rule.rule == "at_most" ? try(local.seconds["${rule.prefix}${rule.key}"] > local.seconds["${rule.prefix}${rule.other}"], false) :
      rule.rule == "fits" ? try(local.texts["${rule.prefix}${rule.when}"] == rule.is && !can(regex(rule.pattern, local.subjects["${rule.fold} ${rule.prefix}${rule.key}"])), false) && can(local.texts["${rule.prefix}${rule.key}"]) :
      rule.rule == "same" ? try(regex(rule.pattern, local.subjects["${rule.fold} ${rule.prefix}${rule.key}"])[0] != regex(rule.pattern, local.subjects["${rule.fold} ${rule.prefix}${rule.other}"])[0], false) :
      contains(["keys", "unique"], rule.rule) ? false : tobool("no such word: ${rule.rule}")
    )
  ]
  subjects = merge({ for path, text in local.texts : "false ${path}" => text }, { for path, text in local.folded : "true ${path}" => text })

  # What two mappings of one place have in common and may not: told at each but the first.
  marks = flatten([
    for rule in local.relations : [
      for text in try(flatten([jsondecode(local.json["${rule.prefix}${rule.key}"])]), []) : {
        path    = "${rule.prefix}${rule.key}"
        message = rule.message
        mark = jsonencode([rule.message, rule.key, rule.fold ? lower(text) : text, [
          for key, default in rule.by : try(regex("^\".*$", local.json["${rule.prefix}${key}"]), jsonencode(default))
        ]])
      } if startswith(jsonencode(text), "\"")
    ] if rule.rule == "unique"
  ])
  first = { for mark in local.marks : mark.mark => mark.path... }
  repeated = {
    for mark in local.marks : mark.path => replace(mark.message, "{other}", local.first[mark.mark][0])... if local.first[mark.mark][0] != mark.path
  }

  problems = concat(
    [for path, message in local.own_problems : trimprefix("${path}: ${message}", ": ")],
    [for one in local.broken : trimprefix("${one.path}: ${one.message}", ": ") if !can(local.own_problems[one.path])],
    [for path, messages in local.repeated : "${path}: ${messages[0]}" if !can(local.own_problems[path])],
  )
}
