# The documents with which the authorizer's own reader and the CDK construct are tested as well.

run "every_case_has_its_exact_problems" {
  command = plan

  module {
    source = "./tests/cases"
  }

  assert {
    condition     = output.count >= 120
    error_message = "There are only ${output.count} cases."
  }

  assert {
    # A key that is null was not given, in Terraform.
    condition = jsonencode(output.different) == jsonencode({
      "rejects an address that is null" = { expected = ["vault.address: must be a string"], found = ["vault.address: missing"] }
      "rejects a section that is null"  = { expected = ["log: must be a mapping"], found = [] }
    })
    error_message = "These differ: ${jsonencode(output.different)}"
  }
}
