# A REST API with two stages, each with its own authorizer, one of them a TOKEN authorizer whose code is in S3; and an HTTP API. In
# front of containers where the authorizer may be. Nothing calls them: that the provider and AWS's API take it is the test.

variable "zip" {
  description = "Any file, for the function's code."
  type        = string
}

locals {
  vault   = { address = "https://vault.example.com", login = { method = "aws", role = "api-authorizer", server_id = "vault.example.com" } }
  issuers = { corp = { kind = "jwt", issuer = "https://login.example.com/", audiences = ["orders-api"], algorithms = ["RS256"], jwks = "discovery" } }
  grants = {
    for stage in ["prod", "staging", "$default"] : stage => [{
      name   = "orders-reader"
      routes = ["GET /orders"]
      caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
      token  = { role = "orders-reader", policies = ["orders-read"], ttl = "2m", wrap_ttl = "30s" }
    }]
  }
}

# --- The REST API ----------------------------------------------------------------------------------------------------------

resource "aws_api_gateway_rest_api" "this" {
  name = "rest"
}

module "prod" {
  source  = "../../.."
  name    = "rest"
  api     = { type = "REST", id = aws_api_gateway_rest_api.this.id }
  package = { file = var.zip }
  vault   = local.vault
  issuers = local.issuers
  stages  = { prod = { grants = local.grants.prod } }
}

resource "aws_s3_bucket" "code" {
  bucket = "terraform-emulator-test"
}

resource "aws_s3_object" "code" {
  bucket = aws_s3_bucket.code.bucket
  key    = "authorizer-1.zip"
  source = var.zip
}

module "staging" {
  source            = "../../.."
  name              = "rest"
  api               = { type = "REST", id = aws_api_gateway_rest_api.this.id }
  authorizer_type   = "TOKEN"
  gateway_responses = false
  package           = { bucket = aws_s3_object.code.bucket, key = aws_s3_object.code.key }
  vault             = local.vault
  issuers           = local.issuers
  stages            = { staging = { grants = local.grants.staging } }
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
  authorizer_id = module.prod.authorizer_id
}

module "rest_container" {
  source     = "../../../modules/container"
  authorizer = module.prod.authorizer
  method     = aws_api_gateway_method.get_orders
  uri        = "https://orders.example.com/orders"
}

# --- The HTTP API ----------------------------------------------------------------------------------------------------------

resource "aws_apigatewayv2_api" "this" {
  name          = "http"
  protocol_type = "HTTP"
}

module "default" {
  source      = "../../.."
  name        = "http"
  api         = { type = "HTTP", id = aws_apigatewayv2_api.this.id }
  package     = { file = var.zip }
  vault       = local.vault
  issuers     = local.issuers
  credentials = [{ header = "Authorization" }, { cookie = "session" }]
  answer      = { response = "simple" }
  stages      = { "$default" = { grants = local.grants["$default"] } }
}

module "http_container" {
  source     = "../../../modules/container"
  authorizer = module.default.authorizer
  route_key  = "GET /orders"
  uri        = "https://orders.example.com/orders"
}

# --- What was made, as AWS says ---------------------------------------------------------------------------------------------

data "aws_api_gateway_authorizer" "this" {
  for_each = { prod = module.prod.authorizer_id, staging = module.staging.authorizer_id }

  rest_api_id   = aws_api_gateway_rest_api.this.id
  authorizer_id = each.value
}

data "aws_lambda_function" "this" {
  for_each = { prod = module.prod.function_name, staging = module.staging.function_name, default = module.default.function_name }

  function_name = each.value
  depends_on    = [module.prod, module.staging, module.default] # their names are known before they are made
}

output "authorizers" {
  value = data.aws_api_gateway_authorizer.this
}

output "route_id" {
  value = module.http_container.route_id
}

output "functions" {
  value = data.aws_lambda_function.this
}

output "roles" {
  value = { prod = module.prod.role_arn, staging = module.staging.role_arn, default = module.default.role_arn }
}

output "configurations" {
  value = { prod = module.prod.configuration, staging = module.staging.configuration, default = module.default.configuration }
}

output "api_ids" {
  value = { prod = aws_api_gateway_rest_api.this.id, staging = aws_api_gateway_rest_api.this.id, default = aws_apigatewayv2_api.this.id }
}
