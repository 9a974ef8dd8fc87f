variable "authorizer" {
  description = "The output `authorizer` of the authorizer's module."
  type        = object({ id = string, type = string, api = object({ type = string, id = string }) })
  nullable    = false

  validation {
    condition     = var.authorizer.type == "REQUEST"
    error_message = "authorizer: a TOKEN authorizer sees no headers, so it cannot refuse a client's own X-Vault-… header, and the container could not tell it from the authorizer's. Use REQUEST."
  }
}

variable "method" {
  description = "REST APIs: the method, a whole aws_api_gateway_method. It must have this authorizer: without one, what a client sends as X-Vault-Context-… could reach the container."
  type        = object({ resource_id = string, http_method = string, authorization = string, authorizer_id = string })
  default     = null

  validation {
    condition     = (var.method != null) == (var.authorizer.api.type == "REST")
    error_message = "method: a REST API's integration needs it. On an HTTP API write `route_key`: the route is made here."
  }

  validation {
    condition     = var.method == null ? true : var.method.authorization == "CUSTOM" && var.method.authorizer_id == var.authorizer.id
    error_message = "method: must have `authorization = \"CUSTOM\"` and this authorizer's `authorizer_id`. Without it a client's own X-Vault-Context-… headers could reach the container."
  }
}

variable "route_key" {
  description = "HTTP APIs: the route, such as `GET /orders`. It is made here, with this authorizer."
  type        = string
  default     = null

  validation {
    condition     = (var.route_key != null) == (var.authorizer.api.type == "HTTP")
    error_message = "route_key: an HTTP API needs it, such as `GET /orders`. A REST API has none: there write `method`."
  }
}

variable "type" {
  description = "`HTTP_PROXY`, or `HTTP` on a REST API, which then needs its own method and integration responses."
  type        = string
  default     = "HTTP_PROXY"
  nullable    = false

  validation {
    condition     = contains(["HTTP_PROXY", "HTTP"], var.type) && (var.type == "HTTP_PROXY" || var.authorizer.api.type == "REST")
    error_message = "type: must be HTTP_PROXY, or HTTP on a REST API."
  }
}

variable "uri" {
  description = "The container's https:// URL; for a VPC link of an HTTP API the ARN of a load balancer's listener or of a Cloud Map service."
  type        = string
  nullable    = false

  # Known at plan, also where the VPC link is yet to be made.
  validation {
    condition     = !startswith(lower(var.uri), "http://")
    error_message = "uri: must be https://…, also through a VPC link: the headers carry the wrapping token."
  }

  validation {
    condition     = startswith(var.uri, "https://") || var.authorizer.api.type == "HTTP" && var.vpc_link_id != null && startswith(var.uri, "arn:")
    error_message = "uri: must be https://…: the headers carry the wrapping token. On an HTTP API with a VPC link: the ARN of a listener or of a Cloud Map service."
  }

  validation {
    condition     = var.authorizer.api.type == "REST" || var.vpc_link_id == null || startswith(var.uri, "arn:")
    error_message = "uri: behind a VPC link an HTTP API takes the ARN of a listener or of a Cloud Map service."
  }
}

variable "vpc_link_id" {
  description = "The VPC link, if the container is in a VPC."
  type        = string
  default     = null
}

variable "tls_server_name" {
  description = "HTTP APIs with a VPC link: the name in the container's certificate, which API Gateway verifies. Without it, API Gateway speaks plain HTTP to the listener."
  type        = string
  default     = null

  validation {
    condition     = (var.tls_server_name != null) == (var.authorizer.api.type == "HTTP" && var.vpc_link_id != null)
    error_message = "tls_server_name: a VPC link of an HTTP API needs it, since its uri is an ARN, and without it API Gateway speaks plain HTTP: the headers carry the wrapping token. Others have it in their https:// uri."
  }
}

variable "integration_method" {
  description = "The method that the container is called with. Left out: the caller's."
  type        = string
  default     = null
}

variable "request_parameters" {
  description = "Further mappings, such as `{\"integration.request.path.id\" = \"method.request.path.id\"}`. None for an X-Vault-… header."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for name in keys(var.request_parameters) :
      !can(regex("(^|[.:])header[.]x-vault-", replace(lower(name), "_", "-")))
    ])
    error_message = "request_parameters: X-Vault-… headers are the authorizer's alone."
  }
}

variable "timeout_milliseconds" {
  description = "How long the container may take. Left out: API Gateway's own limit."
  type        = number
  default     = null
}
