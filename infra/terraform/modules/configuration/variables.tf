# The document's parts, in the names of docs/configuration.md. Their type is `any` on purpose. Terraform drops an attribute
# that an `object({…})` does not name, without a word: a misspelt `bound_subjct` would be gone, and the grant would be open to
# everybody. And in a list of objects it makes one type of all items: beside a claim `"3"`, `true` would become `"true"`, which
# is another claim. What a part may hold is written in authorizer.rules.json, and checked by the module `check`.

variable "vault" {
  description = <<-EOT
    Where Vault is and how the authorizer logs in:
    `{address, namespace?, ca_file?, client_cert_file?, client_key_file?, login = {method, role, …}}`.
  EOT
  type        = any
  nullable    = false
}

variable "issuers" {
  description = <<-EOT
    Whose JWTs are accepted, by name:
    `{corp = {kind, issuer, audiences, algorithms, jwks, ca_file?, audience_claim?, types?, leeway?, max_age?, user_claim?, binding?}}`.
    Required, unless there is `aws_identity`.
  EOT
  type        = any
  default     = null
}

variable "aws_identity" {
  description = "Which proofs of an IAM identity are accepted: `{server_id, accounts, sts_regions, max_age?, single_use?}`."
  type        = any
  default     = null
}

variable "credentials" {
  description = "Where in a request the credential may stand: `[{header = \"Authorization\"}]`, which is the default."
  type        = any
  default     = null
}

variable "answer" {
  description = "How callers are answered: `{response?, unauthorized?}`."
  type        = any
  default     = null
}

variable "log" {
  description = "How the log names callers: `{caller_id?}`."
  type        = any
  default     = null
}

variable "limits" {
  description = "How much may be minted: `{caller_mints_per_second?, grant_mints_per_second?}`."
  type        = any
  default     = null
}

variable "stages" {
  description = <<-EOT
    The stages by their names at API Gateway, and what each gives to whom:
    `{prod = {audiences?, server_id?, grants = [{name, routes, caller, token = {role, policies, ttl, wrap_ttl, …}}]}}`.
  EOT
  type        = any
  nullable    = false
}

variable "api_ids" {
  description = "The APIs that the stages are of."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.api_ids) > 0
    error_message = "api_ids: must not be empty."
  }
}

variable "in_package" {
  description = "Whether the document lies in the function's zip file, as authorizer.yaml. Then it may be of any size."
  type        = bool
  default     = false
  nullable    = false
}

variable "limit_bytes" {
  description = "How large the value of AUTHORIZER_CONFIG may be. Lambda takes 4096 bytes of variables, their names included."
  type        = number
  default     = 4000
  nullable    = false
}
