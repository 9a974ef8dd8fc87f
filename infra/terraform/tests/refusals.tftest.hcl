# What the module refuses before anything is made. Each run has one wrong value of each variable that it lists, and fails if one of
# them is taken. The configuration itself: modules/configuration/tests.

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
    defaults = { arn = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/aws/lambda/orders-prod" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws-us-gov:iam::123456789012:role/orders-prod" }
  }
  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders-prod"
      invoke_arn = "arn:aws-us-gov:apigateway:us-gov-west-1:lambda:path/2015-03-31/functions/arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders-prod/invocations"
    }
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
  api     = { type = "REST", id = "a1b2c3d4e5" }
  package = { file = "./versions.tf" } # any file there is
  vault   = { address = "https://vault.example.com", login = { method = "aws", role = "api-authorizer", server_id = "vault.example.com" } }
  issuers = { corp = { kind = "jwt", issuer = "https://login.example.com/", audiences = ["orders-api"], algorithms = ["RS256"], jwks = "discovery" } }
  stage = {
    name = "prod"
    grants = [{
      name   = "orders-reader"
      routes = ["GET /orders"]
      caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
      token  = { role = "orders-prod-reader", policies = ["orders-prod-read"], ttl = "2m", wrap_ttl = "30s" }
    }]
  }
}

run "rejects_what_no_api_could_use" {
  command = plan

  variables {
    authorizer_result_ttl_in_seconds = 300
    authorizer_type                  = "JWT"
    name                             = "orders/api"
    architecture                     = "riscv"
    reserved_concurrent_executions   = 0
    timeout                          = 10
    memory_size                      = 64
    log_retention_in_days            = 0
    vpc                              = { subnet_ids = [], security_group_ids = ["sg-1"] }
    package                          = { file = "./no-such.zip" }
    allow_origin                     = "https://a' b"
    alarm_thresholds                 = { fault = 1 }
  }

  expect_failures = [var.authorizer_result_ttl_in_seconds, var.authorizer_type, var.name, var.architecture, var.reserved_concurrent_executions, var.timeout, var.memory_size, var.log_retention_in_days, var.vpc, var.package, var.allow_origin, var.alarm_thresholds]
}

run "rejects_what_a_rest_api_cannot_have" {
  command = plan

  variables {
    answer = { response = "simple" }
    stage = {
      name   = "$default"
      grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }]
    }
    reserved_concurrent_executions = -1
    timeout                        = 1
    package                        = { file = "./versions.tf", bucket = "code" }
  }

  expect_failures = [var.answer, var.stage, var.reserved_concurrent_executions, var.timeout, var.package]
}

run "rejects_what_an_http_api_cannot_have" {
  command = plan

  variables {
    api                            = { type = "HTTP", id = "h1b2c3d4e5" }
    authorizer_type                = "TOKEN"
    gateway_responses              = true
    reserved_concurrent_executions = 1001
    timeout                        = 2.5
    package                        = { bucket = "code" }
  }

  expect_failures = [var.authorizer_type, var.gateway_responses, var.reserved_concurrent_executions, var.timeout, var.package]
}

run "rejects_a_token_authorizer_with_two_places" {
  command = plan

  variables {
    name                           = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
    authorizer_type                = "TOKEN"
    credentials                    = [{ header = "Authorization" }, { cookie = "session" }]
    reserved_concurrent_executions = 1.5
    package                        = { bucket = "code", key = "a.zip", objekt_version = "1" }
  }

  expect_failures = [var.name, var.credentials, var.reserved_concurrent_executions, var.package]
}

run "rejects_a_token_authorizer_with_a_cookie" {
  command = plan

  variables {
    authorizer_type = "TOKEN"
    credentials     = [{ cookie = "session" }]
    package         = { bucket = "code", key = "a.zip", file = "./versions.tf" }
    vpc             = { subnet_ids = ["subnet-1"], security_group_ids = [] }
  }

  expect_failures = [var.credentials, var.package, var.vpc]
}

run "rejects_a_token_authorizer_whose_header_is_null" {
  command = plan

  variables {
    authorizer_type = "TOKEN"
    credentials     = [{ header = null, cookie = "session" }]
  }

  expect_failures = [var.credentials]
}

run "rejects_another_kind_of_api" {
  command = plan

  variables {
    api = { type = "WEBSOCKET", id = "a1b2c3d4e5" }
  }

  expect_failures = [var.api]
}
