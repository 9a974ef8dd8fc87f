# Every document of authorizer.cases.json, and what this module finds in it.

locals {
  cases = { for case in jsondecode(file("${path.module}/../../../../../authorizer.cases.json")) : case.name => case }
}

module "check" {
  source      = "../../check"
  for_each    = local.cases
  parts       = each.value.document
  has_api_ids = true
}

output "count" {
  value = length(local.cases)
}

output "different" {
  description = "The cases in which something else is found than what they name."
  value = {
    for name, case in local.cases : name => { expected = case.problems, found = sort(concat(module.check[name].unknown_keys, module.check[name].problems)) }
    if jsonencode(sort(concat(module.check[name].unknown_keys, module.check[name].problems))) != jsonencode(sort(case.problems))
  }
}
