# What the module refuses before anything is made. Each run has one wrong value of each variable that it lists, and fails if one of
# them is taken. The configuration itself: modules/configuration/tests.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "rejects_what_no_api_could_use" {
  command = plan

  variables {
    authorizer_result_ttl_in_seconds  = 300
    authorizer_type                   = "JWT"
    name                              = "orders/api"
    architecture                      = "riscv"
    reserved_concurrent_executions    = 0
    timeout                           = 2
    memory_size                       = 64
    cloudwatch_logs_retention_in_days = 0
    vpc_subnet_ids                    = []
    vpc_security_group_ids            = ["sg-1"]
    tracing_mode                      = "On"
    treat_missing_data                = "ok"
    environment_variables             = { AUTHORIZER_CONFIG = "{}" }
    lambda_role                       = "arn:aws:iam::123456789012:user/a"
    package                           = { file = "./no-such.zip" }
    allow_origin                      = "https://a' b"
    alarm_thresholds                  = { fault = 1 }
  }

  expect_failures = [var.authorizer_result_ttl_in_seconds, var.authorizer_type, var.name, var.architecture, var.reserved_concurrent_executions, var.timeout, var.memory_size, var.cloudwatch_logs_retention_in_days, var.vpc_subnet_ids, var.tracing_mode, var.treat_missing_data, var.environment_variables, var.lambda_role, var.package, var.allow_origin, var.alarm_thresholds]
}

run "rejects_what_a_rest_api_cannot_have" {
  command = plan

  variables {
    answer = { response = "simple" }
    stages = {
      "$default" = {
        grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }]
      }
    }
    reserved_concurrent_executions = -2
    timeout                        = 1
    package                        = { file = "./versions.tf", bucket = "code" }
  }

  expect_failures = [var.answer, var.stages, var.reserved_concurrent_executions, var.timeout, var.package]
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
    name                           = join("", [for index in range(65) : "n"])
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
    vpc_subnet_ids  = ["subnet-1"]
  }

  expect_failures = [var.credentials, var.package, var.vpc_subnet_ids]
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

run "rejects_a_role_name_that_iam_would_not_take" {
  command = plan

  variables {
    name = join("", [for index in range(51) : "n"])
  }

  expect_failures = [aws_iam_role.this]
}

run "the_longest_name_is_taken" {
  command = plan

  variables {
    name = join("", [for index in range(50) : "n"])
  }

  assert {
    condition     = length(aws_iam_role.this[0].name) == 64
    error_message = aws_iam_role.this[0].name
  }
}

run "rejects_what_only_a_role_made_here_can_have" {
  command = plan

  variables {
    lambda_role                       = "arn:aws:iam::123456789012:role/authorizer"
    role_path                         = "/teams/"
    role_permissions_boundary         = "arn:aws:iam::123456789012:policy/bound"
    provisioned_concurrent_executions = 21
    stages                            = ["prod"]
  }

  expect_failures = [var.role_path, var.role_permissions_boundary, var.provisioned_concurrent_executions, var.stages]
}

# A rule that looks at another variable is not looked at where that one is wrong.
run "rejects_what_needs_something_beside_it" {
  command = plan

  variables {
    ipv6_allowed_for_dual_stack       = true
    provisioned_concurrent_executions = 0
    role_path                         = "teams"
  }

  expect_failures = [var.ipv6_allowed_for_dual_stack, var.provisioned_concurrent_executions, var.role_path]
}

run "rejects_two_roles" {
  command = plan

  variables {
    lambda_role = "arn:aws:iam::123456789012:role/authorizer"
    create_role = true
  }

  expect_failures = [var.create_role]
}

run "rejects_no_role_at_all" {
  command = plan

  variables {
    create_role = false
  }

  expect_failures = [var.create_role]
}
