# A REST API that asks its callers for a client certificate, and an issuer whose tokens must be bound to it (RFC 8705). The route
# GET /orders leads to a container.
#
#   terraform apply -var authorizer_zip=… -var vault_address=… -var vault_server_id=… -var issuer=… -var backend_url=… \
#     -var domain_name=… -var certificate_arn=… -var truststore_uri=s3://… -var truststore_version=…
#
# Then make the domain's DNS record an alias of the output `dns_alias`, let the output `vault_principal` log in to Vault, and call
# with a token that is bound to your client certificate. Send it as `Bearer`:
#
#   VAULT_ADDR=… VAULT_TOKEN=… infra/vault/quickstart.sh --server-id … --aws-principal …
#   curl --cert partner.pem --key partner.key -H "Authorization: Bearer $token" https://…/orders

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

  vault = {
    address = var.vault_address
    login   = { method = "aws", role = "api-authorizer", server_id = var.vault_server_id }
  }

  issuers = {
    corp = {
      kind       = "jwt"
      issuer     = var.issuer
      audiences  = [var.audience]
      algorithms = ["RS256"]
      jwks       = "discovery"
      binding    = { require = "mtls" }
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
  }
}

# --- The API ---------------------------------------------------------------------------------------------------------------

# The default endpoint asks for no certificate, so it would lead around the domain.
resource "aws_api_gateway_rest_api" "this" {
  name                         = var.name
  disable_execute_api_endpoint = true

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

module "container" {
  source     = "../../modules/container"
  authorizer = module.authorizer.authorizer
  method     = aws_api_gateway_method.get_orders
  uri        = var.backend_url
}

# API Gateway serves a snapshot, and the default endpoint is open until there is one of after it was disabled.
resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  triggers = {
    authorizer = module.authorizer.redeployment
    container  = module.container.redeployment
    api        = sha256(jsonencode([aws_api_gateway_method.get_orders, aws_api_gateway_rest_api.this.disable_execute_api_endpoint]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "prod" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = "prod"
}

# --- The domain ------------------------------------------------------------------------------------------------------------

resource "aws_api_gateway_domain_name" "this" {
  domain_name              = var.domain_name
  regional_certificate_arn = var.certificate_arn
  security_policy          = "TLS_1_2"

  endpoint_configuration {
    types = ["REGIONAL"]
  }

  mutual_tls_authentication {
    truststore_uri     = var.truststore_uri
    truststore_version = var.truststore_version
  }
}

resource "aws_api_gateway_base_path_mapping" "this" {
  domain_name = aws_api_gateway_domain_name.this.domain_name
  api_id      = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.prod.stage_name
}
