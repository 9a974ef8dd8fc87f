# One protected route, GET /orders, for an existing HTTP API that is managed elsewhere.
#
#   terraform apply -var api_id=… -var authorizer_zip=… -var orders_zip=… -var vault_address=… -var vault_server_id=… -var issuer=…

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

data "aws_apigatewayv2_api" "this" {
  api_id = var.api_id
}

module "authorizer" {
  source  = "../.."
  name    = "${var.name}-authorizer"
  api     = { type = "HTTP", id = data.aws_apigatewayv2_api.this.id }
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
    (var.stage) = {
      grants = [{
        name   = "orders-prod-reader"
        routes = ["GET /orders"]
        caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
        token  = { role = "orders-prod-reader", policies = ["orders-prod-read"], ttl = "2m", wrap_ttl = "30s" }
      }]
    }
  }
}

resource "aws_apigatewayv2_route" "get_orders" {
  api_id             = data.aws_apigatewayv2_api.this.id
  route_key          = "GET /orders"
  target             = "integrations/${aws_apigatewayv2_integration.orders.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.authorizer.authorizer_id
}

resource "aws_apigatewayv2_integration" "orders" {
  api_id                 = data.aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.orders.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_lambda_permission" "get_orders" {
  function_name = module.orders.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${data.aws_apigatewayv2_api.this.execution_arn}/${var.stage}/GET/orders"
}

module "orders" {
  source          = "../orders"
  name            = "${var.name}-orders"
  zip             = var.orders_zip
  vault_address   = var.vault_address
  vault_namespace = var.vault_namespace
  allow_origin    = "*"

  stages = {
    (var.stage) = { creation_path = "auth/token/create/orders-prod-reader", secret_path = "secret/data/prod/orders" }
  }
}
