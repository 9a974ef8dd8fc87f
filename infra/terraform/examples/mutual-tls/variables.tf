variable "name" {
  description = "The beginning of everything's name."
  type        = string
  default     = "orders"
}

variable "authorizer_zip" {
  description = "The authorizer's zip file: target/package/vault-authorizer-x86_64.zip."
  type        = string
}

variable "vault_address" {
  description = "Vault's address as the function reaches it, for example https://vault.example.com:8200."
  type        = string
}

variable "vault_server_id" {
  description = "Vault's iam_server_id_header_value."
  type        = string
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

variable "backend_url" {
  description = "The container's https:// URL."
  type        = string
}

variable "domain_name" {
  description = "The domain that callers use, for example api.example.com."
  type        = string
}

variable "certificate_arn" {
  description = "The domain's own certificate in ACM, in the API's region, issued by ACM."
  type        = string
}

variable "truststore_uri" {
  description = "The certificates of the authorities that sign the clients', in PEM: s3://bucket/key."
  type        = string
}

variable "truststore_version" {
  description = "The version of that object. Its bucket must have versioning."
  type        = string
}
