# The integration of a route whose backend is a container: an HTTP integration that hands the authorizer's context over as headers.
# Receives the authorizer and the backend's address; produces the integration, and on an HTTP API the route. Everything that would let
# somebody else write one of the headers, or read them on the way, is refused.

locals {
  # Header and context key; shared/vault-context/src/context.rs has the list. A key that the context has not (`vaultNamespace` where there is none;
  # the vault… keys of a grant with `mode: none`) gives its header no value.
  context = {
    X-Vault-Context-Wrapping-Token   = "vaultWrappingToken"
    X-Vault-Context-Wrapped-Accessor = "vaultWrappedAccessor"
    X-Vault-Context-Creation-Path    = "vaultCreationPath"
    X-Vault-Context-Address          = "vaultAddress"
    X-Vault-Context-Namespace        = "vaultNamespace"
    X-Vault-Context-Wrap-Expires-At  = "vaultWrapExpiresAt"
    X-Vault-Context-Grant            = "vaultGrant"
    X-Vault-Context-Caller-Kind      = "callerKind"
    X-Vault-Context-Caller-Issuer    = "callerIssuer"
    X-Vault-Context-Caller-Id        = "callerId"
    X-Vault-Context-Caller-Binding   = "callerBinding"
    X-Vault-Context-Version          = "contextVersion"
  }

  is_rest = var.authorizer.api.type == "REST"

  # Always `overwrite`: what is appended to a client's own header is not the authorizer's.
  headers = {
    for header, key in local.context :
    local.is_rest ? "integration.request.header.${header}" : "overwrite:header.${header}" =>
    local.is_rest ? "context.authorizer.${key}" : "$context.authorizer.${key}"
  }
}

resource "aws_api_gateway_integration" "this" {
  count = local.is_rest ? 1 : 0

  rest_api_id             = var.authorizer.api.id
  resource_id             = var.method.resource_id
  http_method             = var.method.http_method
  type                    = var.type
  integration_http_method = var.integration_method == null ? var.method.http_method : var.integration_method
  uri                     = var.uri
  connection_type         = var.vpc_link_id == null ? "INTERNET" : "VPC_LINK"
  connection_id           = var.vpc_link_id
  request_parameters      = merge(var.request_parameters, local.headers)
  timeout_milliseconds    = var.timeout_milliseconds
}

resource "aws_apigatewayv2_integration" "this" {
  count = local.is_rest ? 0 : 1

  api_id                 = var.authorizer.api.id
  integration_type       = var.type
  integration_method     = var.integration_method == null ? "ANY" : var.integration_method
  integration_uri        = var.uri
  payload_format_version = "1.0" # the only one of an HTTP_PROXY
  connection_type        = var.vpc_link_id == null ? "INTERNET" : "VPC_LINK"
  connection_id          = var.vpc_link_id
  request_parameters     = merge(var.request_parameters, local.headers)
  timeout_milliseconds   = var.timeout_milliseconds

  dynamic "tls_config" {
    for_each = var.tls_server_name[*]

    content {
      server_name_to_verify = tls_config.value
    }
  }
}

# The route is made here, so that it has the authorizer. On an open one the overwrites would have no values to write, and what a
# client sends as X-Vault-Context-… could reach the container. The integration's id is no output: no other route can lead there.
resource "aws_apigatewayv2_route" "this" {
  count = local.is_rest ? 0 : 1

  api_id             = var.authorizer.api.id
  route_key          = var.route_key
  target             = "integrations/${aws_apigatewayv2_integration.this[0].id}"
  authorization_type = "CUSTOM"
  authorizer_id      = var.authorizer.id
}
