# --- What it is, and what it is attached to ---------------------------------------------------------------------------

variable "name" {
  description = "The name of the function and of the authorizer. The log group is `/aws/lambda/<name>`, the role `<name>-<region>`, which may have 64 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", var.name))
    error_message = "name: must be 1 to 64 letters, digits, `-` and `_`, a letter or digit first."
  }
}

variable "api" {
  description = "The API: `{type = \"REST\" | \"HTTP\", id = …, name = …}`. The name, which a plan must know, is for the alarms on a REST API's 5xx: CloudWatch knows it by that."
  type        = object({ type = string, id = string, name = optional(string) })
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
  description = "Must be 0: a cached answer would hand the same single-use token to a second call."
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
# `bound_subjct` would open its grant to everybody. Every key is checked by authorizer.rules.json instead, at plan.

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

variable "stages" {
  description = "The API's stages that the function serves, by their names, and what each gives to whom: `{prod = {audiences?, server_id?, grants = [{name, routes, caller, token}]}}`. Names, and no references to stages: a stage needs a deployment, which needs the methods, which need this authorizer."
  type        = any
  nullable    = false

  validation {
    condition     = var.api.type == "HTTP" || !contains(try(keys(var.stages), []), "$default")
    error_message = "stages.$default: is the name of an HTTP API's stage."
  }

  validation {
    condition     = can(keys(var.stages))
    error_message = "stages: must be a mapping, from each stage's name at API Gateway to what it gives: {prod = {grants = […]}}."
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
  description = "In seconds, from 3 to 9. An HTTP API waits 10 seconds for an authorizer, and the function's start can take 2. The function answers 0.2 seconds before this ends."
  type        = number
  default     = 8
  nullable    = false

  validation {
    condition     = var.timeout >= 3 && var.timeout <= 9 && floor(var.timeout) == var.timeout
    error_message = "timeout: must be from 3 to 9 seconds. API Gateway waits 10, and the start can take 2."
  }
}

variable "reserved_concurrent_executions" {
  description = "How many authorizations may run at once, which limits the load on Vault. Callers beyond it get 503, or 500 on an HTTP API. -1 reserves none, for an account whose quota is too small. Each plan then prints a warning."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.reserved_concurrent_executions == -1 || var.reserved_concurrent_executions >= 1 && var.reserved_concurrent_executions <= 1000 && floor(var.reserved_concurrent_executions) == var.reserved_concurrent_executions
    error_message = "reserved_concurrent_executions: must be from 1 to 1000, or -1, which reserves none. 0 would refuse every call."
  }
}

variable "provisioned_concurrent_executions" {
  description = "How many instances are kept warm. API Gateway then calls the alias `live`, and every change publishes a version. -1: none."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.provisioned_concurrent_executions == -1 || var.provisioned_concurrent_executions >= 1 && var.provisioned_concurrent_executions <= 1000 && floor(var.provisioned_concurrent_executions) == var.provisioned_concurrent_executions
    error_message = "provisioned_concurrent_executions: must be from 1 to 1000, or -1 for none."
  }

  validation {
    condition     = var.reserved_concurrent_executions == -1 || var.provisioned_concurrent_executions <= var.reserved_concurrent_executions
    error_message = "provisioned_concurrent_executions: must not be more than reserved_concurrent_executions."
  }
}

variable "layers" {
  description = "ARNs of layers, such as one with a CA bundle that `vault.ca_file` names below /opt."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "environment_variables" {
  description = "More variables of the function, such as RUST_LOG, or AUTHORIZER_CONFIG_FILE with `configuration_in_package`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = !contains(keys(var.environment_variables), "AUTHORIZER_CONFIG")
    error_message = "environment_variables: AUTHORIZER_CONFIG is made of vault, issuers, stages and the others."
  }
}

variable "vpc_subnet_ids" {
  description = "The subnets in which the function reaches Vault. They need a route to the issuers and to STS as well."
  type        = list(string)
  default     = null

  validation {
    condition     = (length(coalesce(var.vpc_subnet_ids, [])) > 0) == (length(coalesce(var.vpc_security_group_ids, [])) > 0)
    error_message = "vpc_subnet_ids: a function in a VPC needs subnets and security groups."
  }
}

variable "vpc_security_group_ids" {
  description = "The function's security groups in the VPC."
  type        = list(string)
  default     = null
}

variable "ipv6_allowed_for_dual_stack" {
  description = "Whether the function may use IPv6 in subnets that have both."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.ipv6_allowed_for_dual_stack || length(coalesce(var.vpc_subnet_ids, [])) > 0
    error_message = "ipv6_allowed_for_dual_stack: is for a function in a VPC."
  }
}

variable "tracing_mode" {
  description = "`Active` lets X-Ray sample calls, `PassThrough` traces the calls that API Gateway has sampled. Both allow the role to send traces. Default: no traces."
  type        = string
  default     = null

  validation {
    condition     = var.tracing_mode == null ? true : contains(["Active", "PassThrough"], var.tracing_mode)
    error_message = "tracing_mode: must be Active or PassThrough."
  }
}

variable "code_signing_config_arn" {
  description = "The ARN of a Lambda code signing configuration, which rejects zip files from other signers."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "The ARN of the KMS key that encrypts the function's variables. Whoever deploys needs kms:CreateGrant and kms:Encrypt on it. The variables contain no secret, unless `vault.login` does."
  type        = string
  default     = null
}

# --- Its role ------------------------------------------------------------------------------------------------------------

variable "lambda_role" {
  description = "The ARN of an existing role. The module attaches nothing to it: README.md lists the permissions it needs."
  type        = string
  default     = null

  validation {
    condition     = var.lambda_role == null ? true : can(regex("^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[!-~]+$", var.lambda_role))
    error_message = "lambda_role: must be a role's ARN, such as arn:aws:iam::123456789012:role/orders-authorizer."
  }
}

variable "create_role" {
  description = "Whether to create a role. Default: true without `lambda_role`. Set it to false if the plan does not know `lambda_role` yet."
  type        = bool
  default     = null

  validation {
    condition     = var.create_role == null ? true : var.create_role == (var.lambda_role == null)
    error_message = "create_role: must be false with `lambda_role`, and true without."
  }
}

variable "role_path" {
  description = "The role's path, such as `/teams/orders/`. Vault sees the role without it: use the output `vault_principal`."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-.0-~]+/)*$", var.role_path)) && length(var.role_path) <= 512
    error_message = "role_path: must begin and end with `/`, such as /teams/orders/."
  }

  validation {
    condition     = var.role_path == "/" || var.create_role != false && var.lambda_role == null
    error_message = "role_path: is for a role that is made here, not for `lambda_role`."
  }
}

variable "role_permissions_boundary" {
  description = "The ARN of the permissions boundary of the function's role."
  type        = string
  default     = null

  validation {
    condition     = var.role_permissions_boundary == null || var.create_role != false && var.lambda_role == null
    error_message = "role_permissions_boundary: is for a role that is made here, not for `lambda_role`."
  }
}

# --- Its log -------------------------------------------------------------------------------------------------------------

variable "cloudwatch_logs_retention_in_days" {
  description = "How long the log is kept."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.cloudwatch_logs_retention_in_days)
    error_message = "cloudwatch_logs_retention_in_days: must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "cloudwatch_logs_kms_key_id" {
  description = "The ARN of the KMS key that encrypts the log. Its policy must let CloudWatch Logs in this region use it."
  type        = string
  default     = null
}

variable "cloudwatch_logs_skip_destroy" {
  description = "Whether to keep the log group after `terraform destroy`."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that can have them."
  type        = map(string)
  default     = {}
  nullable    = false
}

# --- What callers see of refusals: REST APIs -------------------------------------------------------------------------------

variable "gateway_responses" {
  description = "Whether to set what the API answers by itself: 401, 403 with the reason, 503. An API has them once: false for a second authorizer of it, and for an API that has its own. Left out: true on a REST API. HTTP APIs have none."
  type        = bool
  default     = null

  validation {
    condition     = var.api.type == "REST" || var.gateway_responses != true
    error_message = "gateway_responses: an HTTP API has none. There every refusal is a 403 and every fault a 500."
  }
}

variable "allow_origin" {
  description = "The origin whose pages may read the gateway responses in a browser."
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
  description = "Whether to create the alarms of docs/operations.md."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_actions" {
  description = "ARNs to notify when an alarm is raised, such as an SNS topic's."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "ok_actions" {
  description = "ARNs to notify when an alarm ends."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "alarm_thresholds" {
  description = "An alarm is raised above these: `faults` and `api_5xx` in 30 minutes; `vault_answer_invalid` and `throttles` in one; `signature_invalid`, `algorithm_refused`, `header_reserved` and `start_failures` in five. `api_5xx` also counts the backend's 5xx, so set it above the backend's normal rate."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.alarm_thresholds), ["faults", "vault_answer_invalid", "signature_invalid", "algorithm_refused", "header_reserved", "throttles", "start_failures", "api_5xx"])) == 0
    error_message = "alarm_thresholds: expected one of faults, vault_answer_invalid, signature_invalid, algorithm_refused, header_reserved, throttles, start_failures, api_5xx."
  }

  validation {
    condition     = alltrue([for threshold in values(var.alarm_thresholds) : threshold >= 0])
    error_message = "alarm_thresholds: must not be negative."
  }
}

variable "treat_missing_data" {
  description = "How the alarms `faults`, `api_5xx` and `throttles` treat a period without data, in which nobody called: `notBreaching`, `breaching`, `ignore` or `missing`. The others always use `notBreaching`, because they have data only when something is wrong."
  type        = string
  default     = "notBreaching"
  nullable    = false

  validation {
    condition     = contains(["notBreaching", "breaching", "ignore", "missing"], var.treat_missing_data)
    error_message = "treat_missing_data: must be notBreaching, breaching, ignore or missing."
  }
}

# --- Dashboard -------------------------------------------------------------------------------------------------------------

variable "dashboard" {
  description = "Whether to create a CloudWatch dashboard for the function, called `<name>-<region>`."
  type        = bool
  default     = false
  nullable    = false
}
