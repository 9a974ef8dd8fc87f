variable "name" {
  description = "The beginning of everything's name."
  type        = string
  default     = "orders"
}

variable "authorizer_zip" {
  description = "The authorizer's zip file: target/package/vault-authorizer-x86_64.zip."
  type        = string
}

variable "orders_zip" {
  description = "The sample function's zip file: target/package/orders-x86_64.zip."
  type        = string
}

variable "vault_address" {
  description = "Vault's address as both functions reach it, for example https://vault.example.com:8200."
  type        = string
}

variable "vault_namespace" {
  description = "The Vault namespace, if any."
  type        = string
  default     = null
}

variable "vault_server_id" {
  description = "Vault's iam_server_id_header_value."
  type        = string
}

variable "sts_endpoint" {
  description = "Development only: a loopback address that replaces STS."
  type        = string
  default     = null
}

variable "issuer" {
  description = "The iss of the callers' JWTs, exactly."
  type        = string
}

variable "audience" {
  description = "The aud that a caller's JWT must name."
  type        = string
  default     = "orders-api"
}

variable "allow_origin" {
  description = "The origin whose pages may call the API from a browser."
  type        = string
  default     = "*"
}
