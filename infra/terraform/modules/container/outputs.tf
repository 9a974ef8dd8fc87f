output "integration_id" {
  description = "HTTP APIs: for the route, `target = \"integrations/<this>\"`. The route must have the authorizer."
  value       = local.is_rest ? one(aws_api_gateway_integration.this[*].id) : one(aws_apigatewayv2_integration.this[*].id)
}

output "headers" {
  description = "Which header has which key of the authorizer's context."
  value       = local.context
}

output "redeployment" {
  description = "REST APIs: changes with what a deployment must follow: one of its `triggers`."
  value       = sha256(jsonencode(aws_api_gateway_integration.this))
}
