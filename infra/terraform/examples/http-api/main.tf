# An HTTP API with the stage `$default` and the route GET /orders: each caller's JWT becomes one Vault token, with which the sample
# function reads one secret.
#
#   terraform apply -var authorizer_zip=… -var orders_zip=… -var vault_address=… -var vault_server_id=… -var issuer=…
#
# Vault is configured by infra/vault/quickstart.sh, with the output `vault_principal` as --aws-principal.

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
  api     = { type = "HTTP", id = aws_apigatewayv2_api.this.id }
  package = { file = var.authorizer_zip }

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
    "$default" = {
      grants = [{
        name   = "orders-prod-reader"
        routes = ["GET /orders"]
        caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
        token  = { role = "orders-prod-reader", policies = ["orders-prod-read"], ttl = "2m", wrap_ttl = "30s" }
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
    "$default" = { creation_path = "auth/token/create/orders-prod-reader", secret_path = "secret/data/prod/orders" }
  }
}

# --- The API ---------------------------------------------------------------------------------------------------------------

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  protocol_type = "HTTP"

  # With it, API Gateway answers a browser's preflight itself: that carries no credential.
  cors_configuration {
    allow_origins = [var.allow_origin]
    allow_methods = ["GET"]
    allow_headers = ["authorization", "dpop"]
    max_age       = 600
  }
}

resource "aws_apigatewayv2_route" "get_orders" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "GET /orders"
  target             = "integrations/${aws_apigatewayv2_integration.orders.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.authorizer.authorizer_id
}

resource "aws_apigatewayv2_integration" "orders" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.orders.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_lambda_permission" "get_orders" {
  function_name = module.orders.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/$default/GET/orders"
}

# --- The stage -------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.name}-access"
  retention_in_days = 90
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = module.authorizer.access_log_format
  }
}
