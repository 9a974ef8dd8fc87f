output "route_id" {
  description = "HTTP APIs: the route."
  value       = one(aws_apigatewayv2_route.this[*].id)
}

output "headers" {
  description = "Which header has which key of the authorizer's context."
  value       = local.context
}

output "redeployment" {
  description = "REST APIs: changes with what a deployment must follow: one of its `triggers`."
  value       = sha256(jsonencode(aws_api_gateway_integration.this))
}
