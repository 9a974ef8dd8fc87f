# A stage serves a snapshot of its REST API. It is taken again whenever something in it changes: else the stage calls a function that
# is gone, or answers as it did.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws-us-gov" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-gov-west-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/aws/lambda/orders" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws-us-gov:iam::123456789012:role/orders-us-gov-west-1" }
  }
  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders"
      invoke_arn = "arn:aws-us-gov:apigateway:us-gov-west-1:lambda:path/2015-03-31/functions/arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders/invocations"
    }
  }
  mock_resource "aws_lambda_alias" {
    defaults = { invoke_arn = "arn:aws-us-gov:apigateway:us-gov-west-1:lambda:path/2015-03-31/functions/arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders:live/invocations" }
  }
  mock_resource "aws_api_gateway_authorizer" {
    defaults = { id = "re57id" }
  }
  mock_resource "aws_apigatewayv2_authorizer" {
    defaults = { id = "h77pid" }
  }
}

variables {
  name    = "orders"
  api     = { type = "REST", id = "a1b2c3d4e5", name = "orders-api" }
  package = { file = "./versions.tf" } # any file there is
  vault   = { address = "https://vault.example.com", login = { method = "aws", role = "api-authorizer", server_id = "vault.example.com" } }
  issuers = { corp = { kind = "jwt", issuer = "https://login.example.com/", audiences = ["orders-api"], algorithms = ["RS256"], jwks = "discovery" } }
  stages = {
    prod = {
      grants = [{
        name   = "orders-reader"
        routes = ["GET /orders"]
        caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
        token  = { role = "orders-prod-reader", policies = ["orders-prod-read"], ttl = "2m", wrap_ttl = "30s" }
      }]
    }
  }
}

run "before" {
  assert {
    condition     = output.redeployment == sha256(jsonencode([aws_api_gateway_authorizer.this, aws_api_gateway_gateway_response.this])) && can(aws_api_gateway_authorizer.this[0].authorizer_result_ttl_in_seconds)
    error_message = "All of each counts, also what no input changes: the TTL."
  }
}

run "the_same_again_changes_nothing" {
  assert {
    condition     = output.redeployment == run.before.redeployment
    error_message = "No deployment without a change."
  }
}

run "another_log_retention_changes_nothing" {
  variables {
    cloudwatch_logs_retention_in_days = 30
  }

  assert {
    condition     = output.redeployment == run.before.redeployment
    error_message = "A snapshot has no log group."
  }
}

run "the_authorizers_name" {
  variables {
    name = "shop"
  }

  assert {
    condition     = aws_api_gateway_authorizer.this[0].id == "re57id" && output.redeployment != run.before.redeployment
    error_message = "The id stays, and the name is another."
  }
}

run "the_authorizers_uri" {
  variables {
    provisioned_concurrent_executions = 1
  }

  assert {
    condition     = aws_api_gateway_authorizer.this[0].name == "orders" && aws_api_gateway_authorizer.this[0].id == "re57id" && output.redeployment != run.before.redeployment
    error_message = "Name and id stay, and the function is another."
  }
}

run "the_authorizers_type" {
  variables {
    authorizer_type = "TOKEN"
  }

  assert {
    condition     = aws_api_gateway_authorizer.this[0].id == "re57id" && output.redeployment != run.before.redeployment
    error_message = "The type is another."
  }
}

run "the_identity_source" {
  variables {
    authorizer_type = "TOKEN"
    credentials     = [{ header = "X-Token" }]
  }

  assert {
    condition     = aws_api_gateway_authorizer.this[0].id == "re57id" && output.redeployment != run.the_authorizers_type.redeployment
    error_message = "The identity source is another."
  }
}

run "gateway_responses" {
  variables {
    allow_origin = "https://shop.example.com"
  }

  assert {
    condition     = output.redeployment != run.before.redeployment
    error_message = "The responses are others."
  }
}

run "no_gateway_responses" {
  variables {
    gateway_responses = false
  }

  assert {
    condition     = output.redeployment != run.before.redeployment && output.redeployment != run.gateway_responses.redeployment
    error_message = "The responses are gone."
  }
}
