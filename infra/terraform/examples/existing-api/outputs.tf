output "api_id" {
  description = "The API's id."
  value       = data.aws_apigatewayv2_api.this.id
}

output "url" {
  description = "Where the API is called."
  value       = "${data.aws_apigatewayv2_api.this.api_endpoint}/${trimprefix(var.stage, "$default")}"
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
  description = "Who may log in to Vault: `vault apply --aws-principal`."
  value       = module.authorizer.role_arn
}

output "vault_principal" {
  description = "The same as Vault compares it, without a path: bound_iam_principal_arn, `quickstart.sh --aws-principal`."
  value       = module.authorizer.vault_principal
}

output "vault_login_role" {
  description = "What the authorizer logs in with: also the name of its policy, `vault apply --policy`."
  value       = module.authorizer.vault_login_role
}

output "configuration" {
  description = "For `vault-authorizer vault apply --config`."
  value       = module.authorizer.configuration
}
