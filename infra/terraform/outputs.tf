output "authorizer_id" {
  description = "For `authorizer_id` of a method or a route, beside `authorization = \"CUSTOM\"`."
  value       = local.authorizer_id
}

output "authorizer" {
  description = "For the module `container`."
  value       = { id = local.authorizer_id, type = var.authorizer_type, api = var.api }
}

output "function_name" {
  description = "The authorizer's function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "The same by its ARN."
  value       = aws_lambda_function.this.arn
}

output "role_arn" {
  description = "The function's role, with its path: for `vault apply --aws-principal`, which drops the path where Vault does not see it."
  value       = local.role_arn
}

output "vault_principal" {
  description = "The same without its path, which GetCallerIdentity leaves out: for bound_iam_principal_arn. Known before the role is made."
  value       = replace(local.role_foretold, "/:role/.*//", ":role/")
}

output "log_group_name" {
  description = "One line for each authorization."
  value       = aws_cloudwatch_log_group.this.name
}

output "configuration" {
  description = "The document, for `vault-authorizer vault apply --config`, and for authorizer.yaml in the zip file with `configuration_in_package`."
  value       = module.configuration.document
}

output "vault_login_role" {
  description = "The role of Vault's auth method that the authorizer logs in with."
  value       = try(var.vault.login.role, null)
}

output "access_log_format" {
  description = "For the stage's access log: one line for each call, joined with the authorizer's log by authorizerRequestId (HTTP APIs: requestId). A variable that is named in a format is printed as it is: never name `$context.authorizer.vault…`, nor the path, which can carry what callers put there."
  value       = jsonencode(local.is_rest ? local.rest_access_log : local.http_access_log)
}

# All of each: a snapshot holds what an authorizer and a gateway response are, not what they are called. One that still has the
# authorizer as it was calls a function that may be gone.
output "redeployment" {
  description = "Changes with what a REST API's deployment must follow: one of its `triggers`."
  value       = sha256(jsonencode([aws_api_gateway_authorizer.this, aws_api_gateway_gateway_response.this]))
  depends_on  = [aws_lambda_permission.this] # or the new snapshot calls a function that API Gateway may not invoke yet
}

locals {
  access_log = {
    requestId         = "$context.requestId"
    extendedRequestId = "$context.extendedRequestId"
    requestTime       = "$context.requestTime"
    stage             = "$context.stage"
    method            = "$context.httpMethod"
    status            = "$context.status"
    responseType      = "$context.error.responseType"
    authorizerError   = "$context.authorizer.error"
    integrationStatus = "$context.integration.status"
    responseLatency   = "$context.responseLatency"
  }
  rest_access_log = merge(local.access_log, {
    route               = "$context.resourcePath"
    authorizerRequestId = "$context.authorizer.requestId"
    authorizerStatus    = "$context.authorizer.status"
    authorizerLatency   = "$context.authorizer.latency"
  })
  http_access_log = merge(local.access_log, { route = "$context.routeKey" })
}
