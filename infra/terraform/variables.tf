# --- What it is, and what it is attached to ---------------------------------------------------------------------------

variable "name" {
  description = "The function, its role and its log group are called `<name>-<stage>` (`$default` becomes `default`). One account has one role of a name, in all regions."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]*$", var.name))
    error_message = "name: must be letters, digits, `-` and `_`, a letter or digit first."
  }

  validation {
    condition     = length("${var.name}-${trimprefix(try(var.stage.name, ""), "$")}") <= 64
    error_message = "name: `<name>-<stage>` is the name of a function and of an IAM role, and may have 64 characters."
  }
}

variable "api" {
  description = "The API: `{type = \"REST\" | \"HTTP\", id = …}`."
  type        = object({ type = string, id = string })
  nullable    = false

  validation {
    condition     = contains(["REST", "HTTP"], var.api.type)
    error_message = "api.type: must be REST or HTTP."
  }
}

variable "authorizer_type" {
  description = "`REQUEST`, or `TOKEN` on a REST API. A TOKEN event has neither the route's template nor headers: only routes without parameters match, and a client's own `X-Vault-…` header cannot be refused."
  type        = string
  default     = "REQUEST"
  nullable    = false

  validation {
    condition     = contains(["REQUEST", "TOKEN"], var.authorizer_type)
    error_message = "authorizer_type: must be REQUEST or TOKEN."
  }

  validation {
    condition     = var.authorizer_type == "REQUEST" || var.api.type == "REST"
    error_message = "authorizer_type: an HTTP API has REQUEST authorizers only."
  }
}

variable "authorizer_result_ttl_in_seconds" {
  description = "0, and nothing else: a kept answer would hand the same single-use token to a second call."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.authorizer_result_ttl_in_seconds == 0
    error_message = "authorizer_result_ttl_in_seconds: must be 0. API Gateway would replay the first call's context, and its wrapping token is spent by then."
  }
}

# --- The configuration's document: docs/configuration.md has every key -------------------------------------------------

# Their type is `any`, since Terraform drops an attribute that an `object({…})` does not name, without a word: a misspelt
# `bound_subjct` would open its grant to everybody. Every key is checked against authorizer.schema.json instead, at plan.

variable "vault" {
  description = "Where Vault is and how the authorizer logs in: `{address, namespace?, ca_file?, login = {method, role, …}}`."
  type        = any
  nullable    = false
}

variable "issuers" {
  description = "Whose JWTs are accepted, by name: `{corp = {kind, issuer, audiences, algorithms, jwks, …}}`. Required, unless there is `aws_identity`."
  type        = any
  default     = null
}

variable "aws_identity" {
  description = "Which proofs of an IAM identity are accepted: `{server_id, accounts, sts_regions, max_age?, single_use?}`."
  type        = any
  default     = null
}

variable "credentials" {
  description = "Where in a request the credential may stand. Left out: `[{header = \"Authorization\"}]`."
  type        = any
  default     = null

  validation {
    condition     = var.authorizer_type == "REQUEST" || var.credentials == null || try(one(var.credentials).header, null) != null
    error_message = "credentials: API Gateway hands one header to a TOKEN authorizer, so there must be one place, a header."
  }
}

variable "answer" {
  description = "How callers are answered: `{response?, unauthorized?}`."
  type        = any
  default     = null

  validation {
    condition     = var.api.type == "HTTP" || try(var.answer.response, "policy") != "simple"
    error_message = "answer.response: `simple` is for HTTP APIs. A REST API takes a policy."
  }
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

variable "stage" {
  description = "The stage's name at API Gateway, and what it gives to whom: `{name, audiences?, server_id?, grants = [{name, routes, caller, token}]}`. A name, and no reference to the stage: a stage needs a deployment, which needs the methods, which need this authorizer."
  type        = any
  nullable    = false

  validation {
    condition     = var.api.type == "HTTP" || try(var.stage.name, "") != "$default"
    error_message = "stage.name: `$default` is the name of an HTTP API's stage."
  }
}

variable "configuration_in_package" {
  description = "For a document that is too large for Lambda's variables: it lies in the zip file as authorizer.yaml (put the output `configuration` there), and AUTHORIZER_CONFIG is left out."
  type        = bool
  default     = false
  nullable    = false
}

# --- The function --------------------------------------------------------------------------------------------------------

variable "package" {
  description = "The authorizer's zip file, with `bootstrap` in it: `{file}`, or `{bucket, key, object_version?}` in S3, in this region."
  type        = any
  nullable    = false

  validation {
    condition     = can(keys(var.package)) && length(setsubtract(try(keys(var.package), []), ["file", "bucket", "key", "object_version"])) == 0
    error_message = "package: known keys are file; or bucket, key, object_version."
  }

  validation {
    condition = (
      try(var.package.file, null) == null
      ? try(var.package.bucket, null) != null && try(var.package.key, null) != null
      : alltrue([for key in ["bucket", "key", "object_version"] : try(var.package[key], null) == null])
    )
    error_message = "package: needs `file`, or `bucket` and `key`, and not both."
  }

  validation {
    condition     = try(var.package.file, null) == null ? true : fileexists(var.package.file)
    error_message = "package.file: there is no such file. It is a path from where terraform runs; `path.module` and `path.root` make it one from elsewhere."
  }
}

variable "architecture" {
  description = "`x86_64` or `arm64`: what `bootstrap` was built for."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: must be x86_64 or arm64."
  }
}

variable "memory_size" {
  description = "In MB."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size: must be from 128 to 10240 MB."
  }
}

variable "timeout" {
  description = "In seconds, below the 10 that an HTTP API gives an authorizer. The authorizer itself answers before this ends."
  type        = number
  default     = 8
  nullable    = false

  validation {
    condition     = var.timeout >= 2 && var.timeout <= 9 && floor(var.timeout) == var.timeout
    error_message = "timeout: must be from 2 to 9 seconds: API Gateway gives an authorizer 10."
  }
}

variable "reserved_concurrent_executions" {
  description = "How many authorizations may run at once: the bound on what callers can demand of Vault. Callers beyond it get 503, on an HTTP API 500."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.reserved_concurrent_executions >= 1 && var.reserved_concurrent_executions <= 1000 && floor(var.reserved_concurrent_executions) == var.reserved_concurrent_executions
    error_message = "reserved_concurrent_executions: must be from 1 to 1000. 0 would refuse every call, and -1 would leave Vault unprotected."
  }
}

variable "vpc" {
  description = "Where the function reaches Vault, if not over the internet: `{subnet_ids, security_group_ids}`. It needs a way from there to the issuers and to STS."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
  default     = null

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.subnet_ids) > 0 && length(var.vpc.security_group_ids) > 0
    error_message = "vpc: needs at least one subnet and one security group."
  }
}

variable "kms_key_arn" {
  description = "A key of your own for the function's variables. They hold no secret, unless `vault.login` does."
  type        = string
  default     = null
}

variable "permissions_boundary" {
  description = "The ARN of a policy that bounds the function's role."
  type        = string
  default     = null
}

variable "log_retention_in_days" {
  description = "How long the log is kept."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_in_days)
    error_message = "log_retention_in_days: must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "log_kms_key_arn" {
  description = "A key of your own for the log. Its policy must let CloudWatch Logs of this region use it."
  type        = string
  default     = null
}

variable "tags" {
  description = "Of everything that can have tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

# --- What callers see of refusals: REST APIs -------------------------------------------------------------------------------

variable "gateway_responses" {
  description = "Whether to set what the API answers by itself: 401, 403 with the reason, 503. An API has them once: false for a second stage, and for an API that has its own. Left out: true on a REST API. HTTP APIs have none."
  type        = bool
  default     = null

  validation {
    condition     = var.api.type == "REST" || var.gateway_responses != true
    error_message = "gateway_responses: an HTTP API has none. There every refusal is a 403 and every fault a 500."
  }
}

variable "allow_origin" {
  description = "The origin whose pages may read these answers in a browser."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^([*]|https?://[A-Za-z0-9.:-]+)$", var.allow_origin))
    error_message = "allow_origin: must be * or an origin, such as https://shop.example.com."
  }
}

# --- Alarms ----------------------------------------------------------------------------------------------------------------

variable "alarms" {
  description = "Whether to make the alarms of docs/operations.md."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_actions" {
  description = "Who is told: ARNs, such as an SNS topic's."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "alarm_thresholds" {
  description = "An alarm is raised above these: `faults` in each of three minutes; `vault_answer_invalid` and `throttles` in one; `signature_invalid`, `algorithm_refused` and `header_reserved` in five."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.alarm_thresholds), ["faults", "vault_answer_invalid", "signature_invalid", "algorithm_refused", "header_reserved", "throttles"])) == 0
    error_message = "alarm_thresholds: known are faults, vault_answer_invalid, signature_invalid, algorithm_refused, header_reserved, throttles."
  }
}
