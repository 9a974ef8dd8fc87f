output "document" {
  description = "The configuration's document: compact JSON, for authorizer.yaml and `vault-authorizer vault apply --config`."
  value       = local.documents.real

  # Keys are known at plan, even where values are not.
  precondition {
    condition     = length(module.check.unknown_keys) == 0
    error_message = <<-EOT
      The configuration has keys that the authorizer does not know:
        ${join("\n  ", module.check.unknown_keys)}
    EOT
  }

  precondition {
    condition     = length(module.check.problems) == 0
    error_message = <<-EOT
      The configuration is invalid, ${length(module.check.problems)} problem(s):
        ${join("\n  ", module.check.problems)}
    EOT
  }
}

output "environment_value" {
  description = "The value of AUTHORIZER_CONFIG: the document, or `base64gzip:…` where that is too large. null with `in_package`."
  value       = var.in_package ? null : local.values.real[local.form]

  precondition {
    condition     = var.in_package || local.bytes[local.form] <= var.limit_bytes
    error_message = <<-EOT
      The configuration has ${local.bytes.inline} bytes, and ${local.bytes.packed} compressed: Lambda leaves ${var.limit_bytes} for it.
      Put the document (the output `configuration`) into the function's zip file as authorizer.yaml, beside bootstrap, and set
      `configuration_in_package = true`.
    EOT
  }
}

output "document_bytes" {
  description = "The document's size in bytes, with an API id of ten characters."
  value       = local.bytes.inline
}

output "packed_bytes" {
  description = "The size of `base64gzip:…` of it."
  value       = local.bytes.packed
}
