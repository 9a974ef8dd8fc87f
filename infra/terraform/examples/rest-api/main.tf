# A REST API with two stages, `prod` and `staging`, of one authorizer, and the route GET /orders: each caller's JWT becomes one
# Vault token, with which the sample function reads one secret of its stage.
#
#   terraform apply -var authorizer_zip=… -var orders_zip=… -var vault_address=… -var vault_server_id=… -var issuer=…
#
# API Gateway writes access logs with one role per account and region: `aws apigateway get-account` must print a
# cloudwatchRoleArn. Vault is configured by infra/vault/quickstart.sh, with the output `vault_principal` as
# --aws-principal.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80"
    }
  }
}

# The region and the credentials are those of the environment: AWS_REGION, AWS_PROFILE, …
provider "aws" {}

module "authorizer" {
  source  = "../.."
  name    = "${var.name}-authorizer"
  api     = { type = "REST", id = aws_api_gateway_rest_api.this.id, name = aws_api_gateway_rest_api.this.name }
  package = { file = var.authorizer_zip }

  # What the API answers by itself has the CORS header, too.
  allow_origin = var.allow_origin

  vault = {
    address   = var.vault_address
    namespace = var.vault_namespace
    login = {
      method       = "aws"
      role         = "api-authorizer"
      server_id    = var.vault_server_id
      sts_endpoint = var.sts_endpoint
    }
  }

  issuers = {
    corp = {
      kind       = "jwt"
      issuer     = var.issuer
      audiences  = [var.audience]
      algorithms = ["RS256"]
      jwks       = "discovery"
    }
  }

  stages = {
    prod = {
      grants = [{
        name   = "orders-prod-reader"
        routes = ["GET /orders"]
        caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
        token  = { role = "orders-prod-reader", policies = ["orders-prod-read"], ttl = "2m", wrap_ttl = "30s" }
      }]
    }
    staging = {
      grants = [{
        name   = "orders-staging-reader"
        routes = ["GET /orders"]
        caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
        token  = { role = "orders-staging-reader", policies = ["orders-staging-read"], ttl = "10m", wrap_ttl = "60s" }
      }]
    }
  }
}

module "orders" {
  source          = "../orders"
  name            = "${var.name}-orders"
  zip             = var.orders_zip
  vault_address   = var.vault_address
  vault_namespace = var.vault_namespace
  allow_origin    = var.allow_origin

  stages = {
    prod    = { creation_path = "auth/token/create/orders-prod-reader", secret_path = "secret/data/prod/orders" }
    staging = { creation_path = "auth/token/create/orders-staging-reader", secret_path = "secret/data/staging/orders" }
  }
}

locals {
  stages = toset(["prod", "staging"])
}

# --- The API ---------------------------------------------------------------------------------------------------------------

resource "aws_api_gateway_rest_api" "this" {
  name = var.name

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "orders" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "orders"
}

resource "aws_api_gateway_method" "get_orders" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  resource_id   = aws_api_gateway_resource.orders.id
  http_method   = "GET"
  authorization = "CUSTOM"
  authorizer_id = module.authorizer.authorizer_id
}

resource "aws_api_gateway_integration" "get_orders" {
  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = aws_api_gateway_resource.orders.id
  http_method             = aws_api_gateway_method.get_orders.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = module.orders.invoke_arn
}

# This route of these stages. It does not cover the console's test stage, which calls without the authorizer.
resource "aws_lambda_permission" "get_orders" {
  for_each = local.stages

  function_name = module.orders.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/${each.key}/GET/orders"
}

# A browser's preflight carries no credential: API Gateway answers it itself.
resource "aws_api_gateway_method" "options_orders" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  resource_id   = aws_api_gateway_resource.orders.id
  http_method   = "OPTIONS"
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "options_orders" {
  rest_api_id       = aws_api_gateway_rest_api.this.id
  resource_id       = aws_api_gateway_resource.orders.id
  http_method       = aws_api_gateway_method.options_orders.http_method
  type              = "MOCK"
  request_templates = { "application/json" = jsonencode({ statusCode = 204 }) }
}

locals {
  preflight = {
    "method.response.header.Access-Control-Allow-Origin"  = "'${var.allow_origin}'"
    "method.response.header.Access-Control-Allow-Methods" = "'GET,OPTIONS'"
    "method.response.header.Access-Control-Allow-Headers" = "'Authorization,DPoP'"
    "method.response.header.Access-Control-Max-Age"       = "'600'"
  }
}

resource "aws_api_gateway_method_response" "options_orders" {
  rest_api_id         = aws_api_gateway_rest_api.this.id
  resource_id         = aws_api_gateway_resource.orders.id
  http_method         = aws_api_gateway_method.options_orders.http_method
  status_code         = "204"
  response_parameters = { for header, value in local.preflight : header => true }
}

resource "aws_api_gateway_integration_response" "options_orders" {
  rest_api_id         = aws_api_gateway_rest_api.this.id
  resource_id         = aws_api_gateway_resource.orders.id
  http_method         = aws_api_gateway_integration.options_orders.http_method
  status_code         = aws_api_gateway_method_response.options_orders.status_code
  response_parameters = local.preflight
}

# --- The stages ------------------------------------------------------------------------------------------------------------

# API Gateway serves a snapshot of all above. A new one is made when one of these changes.
resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  triggers = {
    authorizer = module.authorizer.redeployment
    routes = sha256(jsonencode([
      aws_api_gateway_method.get_orders,
      aws_api_gateway_integration.get_orders,
      aws_api_gateway_method.options_orders,
      aws_api_gateway_integration.options_orders,
      aws_api_gateway_method_response.options_orders,
      aws_api_gateway_integration_response.options_orders,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "access" {
  for_each = local.stages

  name              = "/aws/apigateway/${var.name}-${each.key}-access"
  retention_in_days = 90
}

resource "aws_api_gateway_stage" "this" {
  for_each = local.stages

  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = each.key

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access[each.key].arn
    format          = module.authorizer.access_log_format
  }
}

# Data trace writes the authorizer's answer, the wrapping token with it, into the execution log. It stays off, and so does the
# execution log itself: which of its lines show the context at level INFO or ERROR is not documented.
resource "aws_api_gateway_method_settings" "all" {
  for_each = local.stages

  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this[each.key].stage_name
  method_path = "*/*"

  settings {
    data_trace_enabled = false
    logging_level      = "OFF"
    metrics_enabled    = true

    # API Gateway's own limits. Left out, the provider sets -1, which is none.
    throttling_rate_limit  = 10000
    throttling_burst_limit = 5000
  }
}
