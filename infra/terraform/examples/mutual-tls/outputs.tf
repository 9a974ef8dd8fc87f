output "api_id" {
  description = "The API's id."
  value       = aws_api_gateway_rest_api.this.id
}

output "dns_alias" {
  description = "What the domain's DNS record must be an alias of."
  value       = { name = aws_api_gateway_domain_name.this.regional_domain_name, zone_id = aws_api_gateway_domain_name.this.regional_zone_id }
}

output "log_group_name" {
  description = "One line for each authorization."
  value       = module.authorizer.log_group_name
}

output "vault_principal" {
  description = "Who may log in to Vault: bound_iam_principal_arn, `quickstart.sh --aws-principal`."
  value       = module.authorizer.vault_principal
}

output "configuration" {
  description = "For `vault-authorizer vault apply --config`."
  value       = module.authorizer.configuration
}
