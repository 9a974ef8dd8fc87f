# What the module refuses before anything is made. The configuration itself: modules/configuration/tests.

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

run "rejects_a_kept_answer" {
  command = plan

  variables {
    authorizer_result_ttl_in_seconds = 300
  }

  expect_failures = [var.authorizer_result_ttl_in_seconds]
}

run "rejects_another_kind_of_api" {
  command = plan

  variables {
    api = { type = "WEBSOCKET", id = "a1b2c3d4e5" }
  }

  expect_failures = [var.api]
}

run "rejects_another_type_of_authorizer" {
  command = plan

  variables {
    authorizer_type = "JWT"
  }

  expect_failures = [var.authorizer_type]
}

run "rejects_token_on_an_http_api" {
  command = plan

  variables {
    api             = { type = "HTTP", id = "h1b2c3d4e5" }
    authorizer_type = "TOKEN"
  }

  expect_failures = [var.authorizer_type]
}

run "rejects_token_with_two_places" {
  command = plan

  variables {
    authorizer_type = "TOKEN"
    credentials     = [{ header = "Authorization" }, { cookie = "session" }]
  }

  expect_failures = [var.credentials]
}

run "rejects_token_with_a_cookie" {
  command = plan

  variables {
    authorizer_type = "TOKEN"
    credentials     = [{ cookie = "session" }]
  }

  expect_failures = [var.credentials]
}

run "rejects_simple_answers_on_rest" {
  command = plan

  variables {
    answer = { response = "simple" }
  }

  expect_failures = [var.answer]
}

run "rejects_the_default_stage_on_rest" {
  command = plan

  variables {
    stage = {
      name   = "$default"
      grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }]
    }
  }

  expect_failures = [var.stage]
}

run "rejects_gateway_responses_on_an_http_api" {
  command = plan

  variables {
    api               = { type = "HTTP", id = "h1b2c3d4e5" }
    gateway_responses = true
  }

  expect_failures = [var.gateway_responses]
}

run "rejects_an_origin_that_would_leave_its_quotes" {
  command = plan

  variables {
    allow_origin = "https://a' b"
  }

  expect_failures = [var.allow_origin]
}

run "rejects_a_name_with_other_characters" {
  command = plan

  variables {
    name = "orders/api"
  }

  expect_failures = [var.name]
}

run "rejects_a_name_that_is_too_long_with_its_stage" {
  command = plan

  variables {
    name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
  }

  expect_failures = [var.name]
}

run "rejects_an_architecture" {
  command = plan

  variables {
    architecture = "riscv"
  }

  expect_failures = [var.architecture]
}

run "rejects_a_concurrency_of_0" {
  command = plan

  variables {
    reserved_concurrent_executions = 0
  }

  expect_failures = [var.reserved_concurrent_executions]
}

run "rejects_a_concurrency_of_minus_1" {
  command = plan

  variables {
    reserved_concurrent_executions = -1
  }

  expect_failures = [var.reserved_concurrent_executions]
}

run "rejects_a_concurrency_of_1001" {
  command = plan

  variables {
    reserved_concurrent_executions = 1001
  }

  expect_failures = [var.reserved_concurrent_executions]
}

run "rejects_a_concurrency_of_1_5" {
  command = plan

  variables {
    reserved_concurrent_executions = 1.5
  }

  expect_failures = [var.reserved_concurrent_executions]
}

run "rejects_a_timeout_of_10" {
  command = plan

  variables {
    timeout = 10
  }

  expect_failures = [var.timeout]
}

run "rejects_a_timeout_of_1" {
  command = plan

  variables {
    timeout = 1
  }

  expect_failures = [var.timeout]
}

run "rejects_a_timeout_of_2_5" {
  command = plan

  variables {
    timeout = 2.5
  }

  expect_failures = [var.timeout]
}

run "rejects_a_memory_size" {
  command = plan

  variables {
    memory_size = 64
  }

  expect_failures = [var.memory_size]
}

run "rejects_a_log_for_ever" {
  command = plan

  variables {
    log_retention_in_days = 0
  }

  expect_failures = [var.log_retention_in_days]
}

run "rejects_a_vpc_without_subnets" {
  command = plan

  variables {
    vpc = { subnet_ids = [], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.vpc]
}

run "rejects_a_package_that_is_not_there" {
  command = plan

  variables {
    package = { file = "./no-such.zip" }
  }

  expect_failures = [var.package]
}

run "rejects_a_package_of_two_places" {
  command = plan

  variables {
    package = { file = "./versions.tf", bucket = "code" }
  }

  expect_failures = [var.package]
}

run "rejects_a_package_without_a_key" {
  command = plan

  variables {
    package = { bucket = "code" }
  }

  expect_failures = [var.package]
}

run "rejects_a_misspelt_key_of_the_package" {
  command = plan

  variables {
    package = { bucket = "code", key = "a.zip", objekt_version = "1" }
  }

  expect_failures = [var.package]
}

run "rejects_a_misspelt_alarm" {
  command = plan

  variables {
    alarm_thresholds = { fault = 1 }
  }

  expect_failures = [var.alarm_thresholds]
}
