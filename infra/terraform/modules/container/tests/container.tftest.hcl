# What the integration is asked to be, and what is refused. Nothing is made.

mock_provider "aws" {}

variables {
  uri = "https://orders.example.com/orders"
  authorizer = {
    id   = "au7h0r"
    type = "REQUEST"
    api  = { type = "REST", id = "a1b2c3d4e5" }
  }
  method = {
    resource_id   = "re50rc"
    http_method   = "GET"
    authorization = "CUSTOM"
    authorizer_id = "au7h0r"
  }
}

run "a_rest_api_maps_every_key_without_a_dollar" {
  command = plan

  variables {
    request_parameters = { "integration.request.path.id" = "method.request.path.id" }
  }

  assert {
    condition = aws_api_gateway_integration.this[0].request_parameters == tomap({
      "integration.request.path.id"                                 = "method.request.path.id"
      "integration.request.header.X-Vault-Context-Wrapping-Token"   = "context.authorizer.vaultWrappingToken"
      "integration.request.header.X-Vault-Context-Wrapped-Accessor" = "context.authorizer.vaultWrappedAccessor"
      "integration.request.header.X-Vault-Context-Creation-Path"    = "context.authorizer.vaultCreationPath"
      "integration.request.header.X-Vault-Context-Address"          = "context.authorizer.vaultAddress"
      "integration.request.header.X-Vault-Context-Namespace"        = "context.authorizer.vaultNamespace"
      "integration.request.header.X-Vault-Context-Wrap-Expires-At"  = "context.authorizer.vaultWrapExpiresAt"
      "integration.request.header.X-Vault-Context-Grant"            = "context.authorizer.vaultGrant"
      "integration.request.header.X-Vault-Context-Caller-Kind"      = "context.authorizer.callerKind"
      "integration.request.header.X-Vault-Context-Caller-Issuer"    = "context.authorizer.callerIssuer"
      "integration.request.header.X-Vault-Context-Caller-Id"        = "context.authorizer.callerId"
      "integration.request.header.X-Vault-Context-Caller-Binding"   = "context.authorizer.callerBinding"
      "integration.request.header.X-Vault-Context-Version"          = "context.authorizer.contextVersion"
    })
    error_message = "The mappings are ${jsonencode(aws_api_gateway_integration.this[0].request_parameters)}"
  }

  assert {
    condition     = aws_api_gateway_integration.this[0].type == "HTTP_PROXY" && aws_api_gateway_integration.this[0].connection_type == "INTERNET" && aws_api_gateway_integration.this[0].integration_http_method == "GET"
    error_message = "An HTTP_PROXY over the internet, with the caller's method."
  }

  assert {
    condition     = length(aws_apigatewayv2_integration.this) == 0 && length(aws_apigatewayv2_route.this) == 0 && output.route_id == null
    error_message = "A REST API has no integration of the other kind, and no route."
  }
}

run "a_vpc_link_of_a_rest_api_keeps_the_https_uri" {
  command = plan

  variables {
    type        = "HTTP"
    vpc_link_id = "l1nk"
  }

  assert {
    condition     = aws_api_gateway_integration.this[0].connection_type == "VPC_LINK" && aws_api_gateway_integration.this[0].connection_id == "l1nk" && aws_api_gateway_integration.this[0].type == "HTTP" && aws_api_gateway_integration.this[0].uri == var.uri
    error_message = "Through the link, by TLS."
  }

  assert {
    condition     = length(aws_api_gateway_integration.this[0].tls_config) == 0
    error_message = "Nothing may switch off the check of the certificate."
  }
}

run "an_http_api_overwrites_every_header" {
  command = plan

  variables {
    authorizer = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method     = null
    route_key  = "GET /orders"
  }

  assert {
    condition = aws_apigatewayv2_integration.this[0].request_parameters == tomap({
      "overwrite:header.X-Vault-Context-Wrapping-Token"   = "$context.authorizer.vaultWrappingToken"
      "overwrite:header.X-Vault-Context-Wrapped-Accessor" = "$context.authorizer.vaultWrappedAccessor"
      "overwrite:header.X-Vault-Context-Creation-Path"    = "$context.authorizer.vaultCreationPath"
      "overwrite:header.X-Vault-Context-Address"          = "$context.authorizer.vaultAddress"
      "overwrite:header.X-Vault-Context-Namespace"        = "$context.authorizer.vaultNamespace"
      "overwrite:header.X-Vault-Context-Wrap-Expires-At"  = "$context.authorizer.vaultWrapExpiresAt"
      "overwrite:header.X-Vault-Context-Grant"            = "$context.authorizer.vaultGrant"
      "overwrite:header.X-Vault-Context-Caller-Kind"      = "$context.authorizer.callerKind"
      "overwrite:header.X-Vault-Context-Caller-Issuer"    = "$context.authorizer.callerIssuer"
      "overwrite:header.X-Vault-Context-Caller-Id"        = "$context.authorizer.callerId"
      "overwrite:header.X-Vault-Context-Caller-Binding"   = "$context.authorizer.callerBinding"
      "overwrite:header.X-Vault-Context-Version"          = "$context.authorizer.contextVersion"
    })
    error_message = "The mappings are ${jsonencode(aws_apigatewayv2_integration.this[0].request_parameters)}"
  }

  assert {
    condition     = length(aws_api_gateway_integration.this) == 0
    error_message = "An HTTP API has no integration of the other kind."
  }

  assert {
    condition     = aws_apigatewayv2_integration.this[0].integration_type == "HTTP_PROXY" && aws_apigatewayv2_integration.this[0].connection_type == "INTERNET" && length(aws_apigatewayv2_integration.this[0].tls_config) == 0
    error_message = "An HTTP_PROXY over the internet."
  }
}

run "the_route_of_an_http_api_has_the_authorizer" {
  variables {
    authorizer = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method     = null
    route_key  = "ANY /orders/{proxy+}"
  }

  assert {
    condition     = aws_apigatewayv2_route.this[0].authorization_type == "CUSTOM" && aws_apigatewayv2_route.this[0].authorizer_id == "au7h0r"
    error_message = "On an open route, a client's own headers could reach the container."
  }

  assert {
    condition     = aws_apigatewayv2_route.this[0].api_id == "a1b2c3d4e5" && aws_apigatewayv2_route.this[0].route_key == "ANY /orders/{proxy+}" && aws_apigatewayv2_route.this[0].target == "integrations/${aws_apigatewayv2_integration.this[0].id}"
    error_message = jsonencode(aws_apigatewayv2_route.this[0])
  }

  assert {
    condition     = output.route_id == aws_apigatewayv2_route.this[0].id
    error_message = "The route's id is an output."
  }
}

run "a_listener_behind_a_vpc_link_is_spoken_to_by_tls" {
  command = plan

  variables {
    authorizer      = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method          = null
    route_key       = "GET /orders"
    uri             = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/orders/1/2"
    vpc_link_id     = "l1nk"
    tls_server_name = "orders.internal"
  }

  assert {
    condition     = aws_apigatewayv2_integration.this[0].connection_type == "VPC_LINK" && aws_apigatewayv2_integration.this[0].tls_config[0].server_name_to_verify == "orders.internal"
    error_message = "API Gateway verifies the container's certificate."
  }
}

run "rejects_a_token_authorizer" {
  command = plan

  variables {
    authorizer = { id = "au7h0r", type = "TOKEN", api = { type = "REST", id = "a1b2c3d4e5" } }
  }

  expect_failures = [var.authorizer]
}

run "rejects_plain_http" {
  command = plan

  variables {
    uri = "http://orders.example.com/orders"
  }

  expect_failures = [var.uri]
}

run "rejects_plain_http_through_a_vpc_link_too" {
  command = plan

  variables {
    uri         = "http://orders.internal/orders"
    vpc_link_id = "l1nk"
  }

  expect_failures = [var.uri]
}

run "rejects_plain_http_of_an_http_api" {
  command = plan

  variables {
    authorizer = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method     = null
    route_key  = "GET /orders"
    uri        = "http://orders.example.com/orders"
  }

  expect_failures = [var.uri]
}

run "rejects_a_listener_without_a_vpc_link" {
  command = plan

  variables {
    authorizer = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method     = null
    route_key  = "GET /orders"
    uri        = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/orders/1/2"
  }

  expect_failures = [var.uri]
}

run "rejects_a_listener_without_a_name_to_verify" {
  command = plan

  variables {
    authorizer  = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method      = null
    route_key   = "GET /orders"
    uri         = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/orders/1/2"
    vpc_link_id = "l1nk"
  }

  expect_failures = [var.tls_server_name]
}

run "rejects_a_method_without_an_authorizer" {
  command = plan

  variables {
    method = { resource_id = "re50rc", http_method = "GET", authorization = "NONE", authorizer_id = null }
  }

  expect_failures = [var.method]
}

run "rejects_a_method_of_another_authorizer" {
  command = plan

  variables {
    method = { resource_id = "re50rc", http_method = "GET", authorization = "CUSTOM", authorizer_id = "other" }
  }

  expect_failures = [var.method]
}

run "rejects_a_rest_api_without_a_method" {
  command = plan

  variables {
    method = null
  }

  expect_failures = [var.method]
}

run "rejects_an_http_api_without_a_route_key" {
  command = plan

  variables {
    authorizer = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method     = null
  }

  expect_failures = [var.route_key]
}

run "rejects_a_route_key_on_a_rest_api" {
  command = plan

  variables {
    route_key = "GET /orders"
  }

  expect_failures = [var.route_key]
}

run "rejects_another_value_for_a_header_of_the_authorizers" {
  command = plan

  variables {
    request_parameters = { "integration.request.header.x_vault-Context-Grant" = "method.request.header.X-Grant" }
  }

  expect_failures = [var.request_parameters]
}

run "rejects_another_value_for_a_header_of_the_authorizers_on_an_http_api" {
  command = plan

  variables {
    authorizer         = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method             = null
    route_key          = "GET /orders"
    request_parameters = { "append:header.X-Vault-Context-Wrapping-Token" = "$request.header.x-token" }
  }

  expect_failures = [var.request_parameters]
}

run "rejects_the_type_http_on_an_http_api" {
  command = plan

  variables {
    authorizer = { id = "au7h0r", type = "REQUEST", api = { type = "HTTP", id = "a1b2c3d4e5" } }
    method     = null
    route_key  = "GET /orders"
    type       = "HTTP"
  }

  expect_failures = [var.type]
}
