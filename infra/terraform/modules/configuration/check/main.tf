# What is wrong with the parts of a configuration: each problem with its path, in the words of the authorizer's own reader, all
# together. Receives the parts as they were written. No message quotes a value: one can be a secret.
#
# What must hold is data: authorizer.rules.json, which the authorizer and the CDK construct read as well. These files explain no
# rule and add none. This one reads the table, and finds the keys that it does not know; nodes.tf finds every value that it has
# rules for; problems.tf applies them.

terraform {
  required_version = ">= 1.9"
}

variable "parts" {
  description = "vault, issuers, aws_identity, credentials, answer, log, limits and stages; null where not given."
  type        = any
}

variable "has_api_ids" {
  description = "Whether stages have their `api_ids`. A user's have none: whoever calls this fills them in."
  type        = bool
  default     = false
}

locals {
  table = jsondecode(file("${path.module}/../../../../authorizer.rules.json"))
  kinds = local.table.kinds

  # Every rule with all that a rule can say.
  none = {
    of  = [], types = [], values = [], keys = [], by = {}, fold = false, pattern = null, least = 0, most = null
    key = "", other = "", tell = "", when = "", is = "", section = "", value = ""
  }
  places = {
    for at, place in local.table.places : at => {
      own = [for rule in place.own : merge(local.none, rule, { of = [for kind in try(rule.of, []) : jsonencode(kind)] })]
      between = [
        for rule in try(place.between, []) : merge(local.none, rule, {
          of      = [for kind in try(rule.of, []) : jsonencode(kind)]
          keys    = [for key in try(rule.keys, [rule.key, rule.other], []) : key if var.has_api_ids || key != "api_ids"]
          tell    = try({ some = try(rule.tell, ""), single = "", fits = try(rule.when, "") }[rule.rule], try(rule.key, ""))
          message = var.has_api_ids ? rule.message : replace(rule.message, "expected one of api_ids, ", "expected one of ")
        }) if var.has_api_ids || try(rule.key, "") != "api_ids"
      ]
    }
  }
  at = keys(local.places)
  # Their keys are names of the user's own.
  named = [for at in local.at : trimsuffix(at, ".*") if endswith(at, ".*")]

  # `true || unknown` is unknown: hence the conditional.
  unknown_keys = flatten([
    for node in local.branches : [
      for rule in local.places[node.at].between : [
        for key in keys(node.value) : "${node.prefix}${can(regex(local.plain, key)) ? key : jsonencode(key)}: ${rule.message}"
        if !contains(rule.keys, key)
      ] if rule.rule == "keys" && (length(rule.of) == 0 ? true : contains(rule.of, node.kind))
    ] if !node.is_list
  ])
}

output "unknown_keys" {
  description = "Keys that the authorizer does not know. They depend on no value but `method` and `kind`, and so are known at plan."
  value       = nonsensitive(sort(local.unknown_keys))
}

output "problems" {
  description = "Everything else that is wrong."
  value       = nonsensitive(sort(distinct(local.problems)))
}
