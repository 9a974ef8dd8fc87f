# A REST API with two stages of one authorizer, which has every setting, and a TOKEN authorizer beside it whose code is in S3; and an
# HTTP API. In front of containers where the authorizer may be. Nothing calls them: that the provider and AWS's API take it is the test.

variable "zip" {
  description = "Any file, for the function's code."
  type        = string
}

locals {
  vault   = { address = "https://vault.example.com", login = { method = "aws", role = "api-authorizer", server_id = "vault.example.com" } }
  issuers = { corp = { kind = "jwt", issuer = "https://login.example.com/", audiences = ["orders-api"], algorithms = ["RS256"], jwks = "discovery" } }
  grants = {
    for stage in ["prod", "staging", "$default"] : stage => [{
      name   = "orders-${trimprefix(stage, "$")}-reader"
      routes = ["GET /orders"]
      caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
      token  = { role = "orders-${trimprefix(stage, "$")}-reader", policies = ["orders-read"], ttl = "2m", wrap_ttl = "30s" }
    }]
  }
}

# --- The REST API ----------------------------------------------------------------------------------------------------------

resource "aws_api_gateway_rest_api" "this" {
  name = "rest"
}

module "rest" {
  source  = "../../.."
  name    = "rest"
  api     = { type = "REST", id = aws_api_gateway_rest_api.this.id, name = aws_api_gateway_rest_api.this.name }
  package = { file = var.zip }
  vault   = local.vault
  issuers = local.issuers
  stages  = { for stage in ["prod", "staging"] : stage => { grants = local.grants[stage] } }

  role_path                         = "/teams/orders/"
  provisioned_concurrent_executions = 1
  tracing_mode                      = "Active"
  environment_variables             = { RUST_LOG = "warn" }
  cloudwatch_logs_retention_in_days = 30
  tags                              = { team = "orders" }
}

resource "aws_s3_bucket" "code" {
  bucket = "terraform-emulator-test"
}

resource "aws_s3_object" "code" {
  bucket = aws_s3_bucket.code.bucket
  key    = "authorizer-1.zip"
  source = var.zip
}

# A role that is made beside the function, which a plan does not know yet.
resource "aws_iam_role" "token" {
  name = "token-authorizer"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

module "token" {
  source            = "../../.."
  name              = "token"
  api               = { type = "REST", id = aws_api_gateway_rest_api.this.id, name = aws_api_gateway_rest_api.this.name }
  authorizer_type   = "TOKEN"
  gateway_responses = false
  package           = { bucket = aws_s3_object.code.bucket, key = aws_s3_object.code.key }
  vault             = local.vault
  issuers           = local.issuers
  stages            = { prod = { grants = local.grants.prod } }
  create_role       = false
  lambda_role       = aws_iam_role.token.arn
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
  authorizer_id = module.rest.authorizer_id
}

module "rest_container" {
  source     = "../../../modules/container"
  authorizer = module.rest.authorizer
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

  reserved_concurrent_executions = 5
}

module "http_container" {
  source     = "../../../modules/container"
  authorizer = module.default.authorizer
  route_key  = "GET /orders"
  uri        = "https://orders.example.com/orders"
}

# --- What was made, as AWS says ---------------------------------------------------------------------------------------------

data "aws_api_gateway_authorizer" "this" {
  for_each = { rest = module.rest.authorizer_id, token = module.token.authorizer_id }

  rest_api_id   = aws_api_gateway_rest_api.this.id
  authorizer_id = each.value
}

data "aws_lambda_function" "this" {
  for_each = { rest = module.rest.function_name, token = module.token.function_name, http = module.default.function_name }

  function_name = each.value
  depends_on    = [module.rest, module.token, module.default] # their names are known before they are made
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
  value = { rest = module.rest.role_arn, token = module.token.role_arn, http = module.default.role_arn }
}

output "principals" {
  value = { rest = module.rest.vault_principal, token = module.token.vault_principal, http = module.default.vault_principal }
}

output "configurations" {
  value = { rest = module.rest.configuration, token = module.token.configuration, http = module.default.configuration }
}

output "api_ids" {
  value = { rest = aws_api_gateway_rest_api.this.id, token = aws_api_gateway_rest_api.this.id, http = aws_apigatewayv2_api.this.id }
}

data "aws_region" "this" {}

output "region" {
  value = data.aws_region.this.id
}
