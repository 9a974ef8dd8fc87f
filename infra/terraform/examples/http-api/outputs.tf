output "api_id" {
  description = "The API's id."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "Where the API is called."
  value       = aws_apigatewayv2_stage.default.invoke_url
}

output "authorizer" {
  description = "The authorizer's names, for the command line and the logs."
  value = {
    id            = module.authorizer.authorizer_id
    function_name = module.authorizer.function_name
    log_group     = module.authorizer.log_group_name
  }
}

output "role_arn" {
  description = "What Vault's role is bound to."
  value       = module.authorizer.role_arn
}

output "configuration" {
  description = "For `vault-authorizer vault apply --config`."
  value       = module.authorizer.configuration
}
