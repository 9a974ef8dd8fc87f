# What the module asks AWS for. Nothing is made: the provider is a mock, of another partition than `aws`.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_rest_api_with_all_defaults" {
  assert {
    condition     = aws_api_gateway_authorizer.this[0].authorizer_result_ttl_in_seconds == 0
    error_message = "Left out, it is 300 seconds."
  }

  assert {
    condition     = aws_api_gateway_authorizer.this[0].type == "REQUEST" && aws_api_gateway_authorizer.this[0].identity_source == ""
    error_message = "A call without a credential must reach the function."
  }

  assert {
    condition     = aws_api_gateway_authorizer.this[0].authorizer_uri == aws_lambda_function.this.invoke_arn && aws_api_gateway_authorizer.this[0].rest_api_id == "a1b2c3d4e5"
    error_message = "Of this API, by this function."
  }

  assert {
    condition     = length(aws_apigatewayv2_authorizer.this) == 0
    error_message = "A REST API has no authorizer of the other kind."
  }

  assert {
    condition     = output.authorizer_id == "re57id" && output.authorizer == { id = "re57id", type = "REQUEST", api = { type = "REST", id = "a1b2c3d4e5", name = "orders-api" } }
    error_message = "The outputs name it."
  }

  assert {
    condition     = aws_lambda_permission.this.source_arn == "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3d4e5/authorizers/re57id"
    error_message = jsonencode(aws_lambda_permission.this.source_arn)
  }

  assert {
    condition     = aws_lambda_permission.this.principal == "apigateway.amazonaws.com" && aws_lambda_permission.this.action == "lambda:InvokeFunction" && aws_lambda_permission.this.function_name == "orders"
    error_message = "API Gateway alone, and nothing but a call."
  }

  assert {
    condition     = aws_lambda_function.this.function_name == "orders" && aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.handler == "bootstrap"
    error_message = "Its name and its runtime."
  }

  assert {
    condition     = aws_lambda_function.this.memory_size == 256 && aws_lambda_function.this.timeout == 8 && aws_lambda_function.this.reserved_concurrent_executions == 20 && aws_lambda_function.this.architectures == tolist(["x86_64"])
    error_message = "Its bounds."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ AUTHORIZER_CONFIG = output.configuration })
    error_message = jsonencode(aws_lambda_function.this.environment[0].variables)
  }

  assert {
    condition     = jsondecode(output.configuration).stages.prod.api_ids == ["a1b2c3d4e5"]
    error_message = output.configuration
  }

  assert {
    condition     = aws_lambda_function.this.logging_config[0].log_group == aws_cloudwatch_log_group.this.name && aws_lambda_function.this.logging_config[0].log_format == "Text"
    error_message = "Metrics are made of the lines as they are."
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0 && aws_lambda_function.this.filename == "./versions.tf" && aws_lambda_function.this.source_code_hash == filebase64sha256("./versions.tf")
    error_message = "No VPC, and the code of the file."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/orders" && aws_cloudwatch_log_group.this.retention_in_days == 90
    error_message = "Its log ends some day."
  }

  assert {
    condition     = aws_iam_role.this[0].name == "orders-us-gov-west-1" && aws_iam_role.this[0].path == "/"
    error_message = "A role is of the whole account, and its name of one region."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this[0].assume_role_policy).Statement == [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
    error_message = jsonencode(aws_iam_role.this[0].assume_role_policy)
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.log[0].policy).Statement == [{ Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/aws/lambda/orders:*" }]
    error_message = jsonencode(aws_iam_role_policy.log[0].policy)
  }

  assert {
    condition     = length(aws_iam_role_policy.vpc) == 0 && length(aws_iam_role_policy.web_identity) == 0 && length(aws_iam_role_policy.tracing) == 0
    error_message = "Without a VPC it may make no interfaces; without web_identity_audience it may ask for no JWT; without tracing it may send no traces."
  }

  assert {
    condition     = output.vault_login_role == "api-authorizer" && output.role_arn == "arn:aws-us-gov:iam::123456789012:role/orders-us-gov-west-1" && output.vault_principal == output.role_arn
    error_message = "What Vault is told."
  }

  assert {
    condition     = keys(jsondecode(output.access_log_format)) == ["authorizerError", "authorizerLatency", "authorizerRequestId", "authorizerStatus", "extendedRequestId", "integrationStatus", "method", "requestId", "requestTime", "responseLatency", "responseType", "route", "stage", "status"]
    error_message = output.access_log_format
  }

  assert {
    condition     = [for variable in regexall("[$]context[.]authorizer[.][A-Za-z]+", output.access_log_format) : variable] == ["$context.authorizer.error", "$context.authorizer.latency", "$context.authorizer.requestId", "$context.authorizer.status"]
    error_message = output.access_log_format
  }
}

run "in_a_vpc_lambda_may_make_interfaces_and_the_code_may_not" {
  variables {
    vpc_subnet_ids              = ["subnet-1", "subnet-2"]
    vpc_security_group_ids      = ["sg-1"]
    ipv6_allowed_for_dual_stack = true
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"]) && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-1"]) && aws_lambda_function.this.vpc_config[0].ipv6_allowed_for_dual_stack
    error_message = "In the VPC."
  }

  # Exactly: nothing but what only describes is allowed on everything.
  assert {
    condition = jsonencode(jsondecode(aws_iam_role_policy.vpc[0].policy).Statement) == jsonencode([
      { Effect = "Allow", Action = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"], Resource = "*" },
      {
        Effect = "Allow"
        Action = "ec2:CreateNetworkInterface"
        Resource = [
          "arn:aws-us-gov:ec2:us-gov-west-1:123456789012:network-interface/*",
          "arn:aws-us-gov:ec2:us-gov-west-1:*:subnet/subnet-1",
          "arn:aws-us-gov:ec2:us-gov-west-1:*:subnet/subnet-2",
          "arn:aws-us-gov:ec2:us-gov-west-1:*:security-group/sg-1",
        ]
      },
      {
        Effect   = "Allow"
        Action   = ["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
        Resource = "arn:aws-us-gov:ec2:us-gov-west-1:123456789012:*/*"
      },
      {
        Effect = "Deny"
        Action = [
          "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
          "ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses",
        ]
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders" } }
      },
    ])
    error_message = jsonencode(aws_iam_role_policy.vpc[0].policy)
  }
}

run "with_a_jwt_login_the_role_may_ask_for_its_own_jwt" {
  variables {
    vault = { address = "https://vault.example.com", login = { method = "jwt", role = "api", web_identity_audience = "vault.example.com" } }
  }

  assert {
    condition = jsonencode(jsondecode(aws_iam_role_policy.web_identity[0].policy).Statement) == jsonencode([{
      Effect   = "Allow"
      Action   = "sts:GetWebIdentityToken"
      Resource = "*"
      Condition = {
        "ForAllValues:StringEquals" = { "sts:IdentityTokenAudience" = "vault.example.com" }
        Null                        = { "sts:IdentityTokenAudience" = "false" } # a request without any audience
        NumericLessThanEquals       = { "sts:DurationSeconds" = 60 }
      }
    }])
    error_message = jsonencode(aws_iam_role_policy.web_identity[0].policy)
  }
}

run "vaults_principal_has_no_path_where_get_caller_identity_drops_it" {
  command = plan

  variables {
    role_path = "/teams/orders/"
  }

  assert {
    condition     = aws_iam_role.this[0].path == "/teams/orders/" && output.vault_principal == "arn:aws-us-gov:iam::123456789012:role/orders-us-gov-west-1"
    error_message = output.vault_principal
  }
}

run "a_role_that_is_there_is_used_and_nothing_is_attached_to_it" {
  variables {
    lambda_role            = "arn:aws-us-gov:iam::123456789012:role/teams/orders/authorizer"
    vault                  = { address = "https://vault.example.com", login = { method = "aws", role = "api", server_id = "vault.example.com" } }
    tracing_mode           = "Active"
    vpc_subnet_ids         = ["subnet-1"]
    vpc_security_group_ids = ["sg-1"]
  }

  assert {
    condition     = aws_lambda_function.this.role == var.lambda_role && output.role_arn == var.lambda_role && output.vault_principal == "arn:aws-us-gov:iam::123456789012:role/authorizer"
    error_message = "The role is ${aws_lambda_function.this.role}"
  }

  assert {
    condition     = length(concat(aws_iam_role.this, aws_iam_role_policy.log, aws_iam_role_policy.vpc, aws_iam_role_policy.web_identity, aws_iam_role_policy.tracing)) == 0
    error_message = "It is somebody else's."
  }
}

run "a_role_that_a_plan_does_not_know_yet_is_used" {
  variables {
    lambda_role = "arn:aws-us-gov:iam::123456789012:role/authorizer"
    create_role = false
  }

  assert {
    condition     = aws_lambda_function.this.role == var.lambda_role && length(aws_iam_role.this) == 0
    error_message = "The role is ${aws_lambda_function.this.role}"
  }
}

run "with_provisioned_concurrency_api_gateway_calls_the_alias" {
  variables {
    provisioned_concurrent_executions = 2
  }

  assert {
    condition     = aws_lambda_function.this.publish && aws_lambda_alias.live[0].name == "live" && aws_lambda_alias.live[0].function_version == aws_lambda_function.this.version
    error_message = "The alias leads to the newest version."
  }

  assert {
    condition     = aws_lambda_provisioned_concurrency_config.live[0].qualifier == "live" && aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions == 2
    error_message = "The instances are the alias's."
  }

  assert {
    condition     = endswith(aws_api_gateway_authorizer.this[0].authorizer_uri, ":function:orders:live/invocations") && aws_lambda_permission.this.qualifier == "live"
    error_message = aws_api_gateway_authorizer.this[0].authorizer_uri
  }
}

run "one_function_serves_several_stages_of_its_api" {
  variables {
    stages = {
      for stage in ["prod", "staging"] : stage => {
        grants = [{
          name   = "orders-${stage}-reader"
          routes = ["GET /orders"]
          caller = { issuer = "corp", bound_claims = { scope = ["orders:read"] } }
          token  = { role = "orders-${stage}-reader", policies = ["orders-${stage}-read"], ttl = "2m", wrap_ttl = "30s" }
        }]
      }
    }
  }

  assert {
    condition     = { for name, stage in jsondecode(output.configuration).stages : name => "${one(stage.api_ids)} ${one(stage.grants).name}" } == { prod = "a1b2c3d4e5 orders-prod-reader", staging = "a1b2c3d4e5 orders-staging-reader" }
    error_message = output.configuration
  }

  assert {
    condition     = sort(keys(aws_cloudwatch_metric_alarm.this)) == sort(concat(["header_reserved", "start_failures", "throttles"], flatten([for stage in ["prod", "staging"] : [for id in ["algorithm_refused", "api_5xx", "faults", "signature_invalid", "vault_answer_invalid"] : "${stage}-${id}"]])))
    error_message = "The alarms are ${join(", ", keys(aws_cloudwatch_metric_alarm.this))}"
  }

  assert {
    condition     = alltrue([for stage in ["prod", "staging"] : aws_cloudwatch_metric_alarm.this["${stage}-faults"].dimensions == tomap({ Stage = stage }) && aws_cloudwatch_metric_alarm.this["${stage}-api_5xx"].dimensions == tomap({ ApiName = "orders-api", Stage = stage })])
    error_message = "Each stage's alarms are its own."
  }
}

run "variables_and_layers_stand_beside_the_configuration" {
  variables {
    environment_variables = { RUST_LOG = "warn" }
    layers                = ["arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:ca:1"]
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ RUST_LOG = "warn", AUTHORIZER_CONFIG = output.configuration }) && aws_lambda_function.this.layers == tolist(var.layers)
    error_message = jsonencode(aws_lambda_function.this.environment[0].variables)
  }
}

run "variables_beside_the_configuration_leave_it_less_room" {
  variables {
    environment_variables = { NOTE = join("", [for index in range(880) : "1234"]) }
  }

  assert {
    condition     = length(output.configuration) < 4000 && startswith(aws_lambda_function.this.environment[0].variables["AUTHORIZER_CONFIG"], "base64gzip:")
    error_message = "Lambda takes 4096 bytes of all variables together."
  }
}

run "a_file_of_another_name_in_the_package" {
  variables {
    configuration_in_package = true
    environment_variables    = { AUTHORIZER_CONFIG_FILE = "prod.yaml" }
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ AUTHORIZER_CONFIG_FILE = "prod.yaml" })
    error_message = jsonencode(aws_lambda_function.this.environment[0].variables)
  }
}

run "no_reserved_concurrency_is_a_warning" {
  command = plan

  variables {
    reserved_concurrent_executions = -1
  }

  expect_failures = [check.concurrency_is_bounded]
}

run "a_rest_api_without_its_name_is_a_warning" {
  command = plan

  variables {
    api = { type = "REST", id = "a1b2c3d4e5" }
  }

  expect_failures = [check.every_stage_has_all_alarms]
}

run "without_alarms_a_rest_api_needs_no_name" {
  command = plan

  variables {
    api    = { type = "REST", id = "a1b2c3d4e5" }
    alarms = false
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0 && length(aws_cloudwatch_log_metric_filter.start_failures) == 0
    error_message = "None."
  }
}

run "without_an_audience_the_role_may_ask_for_no_jwt" {
  command = plan

  variables {
    vault = { address = "https://vault.example.com", login = { method = "jwt", role = "api", jwt_file = "/tmp/vault.jwt", web_identity_audience = null } }
  }

  assert {
    condition     = length(aws_iam_role_policy.web_identity) == 0
    error_message = "A key with null was not given."
  }
}

run "what_is_given_is_used" {
  variables {
    package                           = { bucket = "code", key = "authorizer-1.zip", object_version = "v1" }
    architecture                      = "arm64"
    memory_size                       = 512
    timeout                           = 5
    reserved_concurrent_executions    = 1
    cloudwatch_logs_retention_in_days = 30
    kms_key_arn                       = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1"
    cloudwatch_logs_kms_key_id        = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/2"
    role_permissions_boundary         = "arn:aws-us-gov:iam::123456789012:policy/bound"
    cloudwatch_logs_skip_destroy      = true
    code_signing_config_arn           = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:code-signing-config:csc-1"
    tracing_mode                      = "Active"
    tags                              = { team = "orders" }
  }

  assert {
    condition     = aws_lambda_function.this.s3_bucket == "code" && aws_lambda_function.this.s3_key == "authorizer-1.zip" && aws_lambda_function.this.s3_object_version == "v1" && aws_lambda_function.this.filename == null
    error_message = "The code of the bucket."
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.memory_size == 512 && aws_lambda_function.this.timeout == 5 && aws_lambda_function.this.reserved_concurrent_executions == 1
    error_message = "Bounds."
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn && aws_cloudwatch_log_group.this.kms_key_id == var.cloudwatch_logs_kms_key_id && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "Keys."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.skip_destroy && aws_lambda_function.this.code_signing_config_arn == var.code_signing_config_arn
    error_message = "The log stays, and the code is signed."
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active" && jsondecode(aws_iam_role_policy.tracing[0].policy).Statement == [{ Effect = "Allow", Action = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], Resource = "*" }]
    error_message = "Traces."
  }

  assert {
    condition     = aws_iam_role.this[0].permissions_boundary == var.role_permissions_boundary
    error_message = "The boundary."
  }

  assert {
    condition     = alltrue([for tags in concat([aws_lambda_function.this.tags, aws_iam_role.this[0].tags, aws_cloudwatch_log_group.this.tags], [for alarm in aws_cloudwatch_metric_alarm.this : alarm.tags]) : tags == tomap({ team = "orders" })])
    error_message = "Tags."
  }
}

run "limits_that_let_one_caller_use_up_a_grant_are_a_warning" {
  command = plan

  variables {
    reserved_concurrent_executions = 21
    limits                         = { caller_mints_per_second = null }
  }

  expect_failures = [check.one_caller_leaves_half_of_a_grant]
}

run "limits_that_leave_half_of_a_grant_are_none" {
  command = plan

  variables {
    reserved_concurrent_executions = 50
    limits                         = { caller_mints_per_second = 20, grant_mints_per_second = 2000 }
  }
}

run "without_a_token_there_is_nothing_to_use_up" {
  command = plan

  variables {
    reserved_concurrent_executions = 1000
    stages                         = { prod = { grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }] } }
  }
}

run "a_token_authorizer_is_given_its_one_header" {
  variables {
    authorizer_type = "TOKEN"
    credentials     = [{ header = "X-Api-Token" }]
  }

  assert {
    condition     = aws_api_gateway_authorizer.this[0].type == "TOKEN" && aws_api_gateway_authorizer.this[0].identity_source == "method.request.header.X-Api-Token" && aws_api_gateway_authorizer.this[0].authorizer_result_ttl_in_seconds == 0
    error_message = jsonencode(aws_api_gateway_authorizer.this[0])
  }
}

run "a_token_authorizer_reads_the_default_header" {
  variables {
    authorizer_type = "TOKEN"
  }

  assert {
    condition     = aws_api_gateway_authorizer.this[0].identity_source == "method.request.header.Authorization"
    error_message = jsonencode(aws_api_gateway_authorizer.this[0])
  }
}

run "an_http_api_has_payload_2_and_refuses_what_has_no_credential_itself" {
  variables {
    api = { type = "HTTP", id = "h1b2c3d4e5" }
    stages = {
      "$default" = {
        grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }]
      }
    }
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.this[0].authorizer_result_ttl_in_seconds == 0 && aws_apigatewayv2_authorizer.this[0].authorizer_type == "REQUEST" && aws_apigatewayv2_authorizer.this[0].authorizer_payload_format_version == "2.0"
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.this[0].identity_sources == toset(["$request.header.Authorization"]) && aws_apigatewayv2_authorizer.this[0].enable_simple_responses == false
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }

  assert {
    condition     = aws_lambda_permission.this.source_arn == "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:h1b2c3d4e5/authorizers/h77pid"
    error_message = jsonencode(aws_lambda_permission.this.source_arn)
  }

  assert {
    condition     = length(aws_api_gateway_authorizer.this) == 0 && length(aws_api_gateway_gateway_response.this) == 0
    error_message = "An HTTP API has neither."
  }

  assert {
    condition     = keys(jsondecode(output.configuration).stages) == ["$default"]
    error_message = output.configuration
  }

  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : alarm.dimensions.Stage == "$default" if startswith(name, "$default-")])
    error_message = "The metrics have the stage as it is."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["$default-api_5xx"].metric_name == "5xx" && aws_cloudwatch_metric_alarm.this["$default-api_5xx"].dimensions == tomap({ ApiId = "h1b2c3d4e5", Stage = "$default" })
    error_message = "CloudWatch knows an HTTP API by its id."
  }
}

run "simple_answers_are_enabled_where_they_are_given" {
  variables {
    api    = { type = "HTTP", id = "h1b2c3d4e5" }
    answer = { response = "simple" }
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.this[0].enable_simple_responses == true
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }
}

run "the_identity_source_is_one_other_header" {
  variables {
    api         = { type = "HTTP", id = "h1b2c3d4e5" }
    credentials = [{ header = "X-Token" }]
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.this[0].identity_sources == toset(["$request.header.X-Token"])
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }
}

run "the_identity_source_is_one_query_parameter" {
  variables {
    api         = { type = "HTTP", id = "h1b2c3d4e5" }
    credentials = [{ query = "token" }]
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.this[0].identity_sources == toset(["$request.querystring.token"])
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }
}

run "there_is_no_identity_source_for_several_places" {
  variables {
    api         = { type = "HTTP", id = "h1b2c3d4e5" }
    credentials = [{ header = "Authorization" }, { cookie = "session" }]
  }

  assert {
    condition     = length(aws_apigatewayv2_authorizer.this[0].identity_sources) == 0
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }
}

run "there_is_no_identity_source_for_a_cookie" {
  variables {
    api         = { type = "HTTP", id = "h1b2c3d4e5" }
    credentials = [{ cookie = "session" }]
  }

  assert {
    condition     = length(aws_apigatewayv2_authorizer.this[0].identity_sources) == 0
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }
}

run "a_place_with_null_is_no_identity_source" {
  command = plan

  variables {
    api         = { type = "HTTP", id = "h1b2c3d4e5" }
    credentials = [{ header = null, query = null, cookie = "session" }]
  }

  assert {
    condition     = length(aws_apigatewayv2_authorizer.this[0].identity_sources) == 0
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }
}

run "a_header_with_null_leaves_the_query_parameter" {
  command = plan

  variables {
    api         = { type = "HTTP", id = "h1b2c3d4e5" }
    credentials = [{ header = null, query = "token" }]
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.this[0].identity_sources == toset(["$request.querystring.token"])
    error_message = jsonencode(aws_apigatewayv2_authorizer.this[0])
  }
}

run "gateway_responses_say_401_403_and_503" {
  variables {
    allow_origin = "https://shop.example.com"
  }

  assert {
    condition     = jsonencode({ for type, response in aws_api_gateway_gateway_response.this : type => response.status_code }) == jsonencode({ UNAUTHORIZED = "401", ACCESS_DENIED = "403", AUTHORIZER_FAILURE = "503", AUTHORIZER_CONFIGURATION_ERROR = "503", DEFAULT_4XX = null, DEFAULT_5XX = null })
    error_message = jsonencode(aws_api_gateway_gateway_response.this)
  }

  assert {
    condition     = alltrue([for response in aws_api_gateway_gateway_response.this : response.response_parameters["gatewayresponse.header.Access-Control-Allow-Origin"] == "'https://shop.example.com'"])
    error_message = "Without it a browser hides the answer."
  }

  assert {
    condition     = aws_api_gateway_gateway_response.this["UNAUTHORIZED"].response_parameters["gatewayresponse.header.WWW-Authenticate"] == "'Bearer'"
    error_message = jsonencode(aws_api_gateway_gateway_response.this)
  }

  assert {
    condition     = alltrue([for type in ["AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR"] : aws_api_gateway_gateway_response.this[type].response_parameters["gatewayresponse.header.Retry-After"] == "'5'"])
    error_message = jsonencode(aws_api_gateway_gateway_response.this)
  }

  assert {
    condition     = jsondecode(aws_api_gateway_gateway_response.this["ACCESS_DENIED"].response_templates["application/json"]) == { message = "Forbidden", reason = "$context.authorizer.reason", denialId = "$context.authorizer.denialId" }
    error_message = jsonencode(aws_api_gateway_gateway_response.this)
  }
}

run "gateway_responses_can_be_left_out" {
  variables {
    gateway_responses = false
  }

  assert {
    condition     = length(aws_api_gateway_gateway_response.this) == 0
    error_message = jsonencode(aws_api_gateway_gateway_response.this)
  }
}

run "alarms_look_where_the_authorizer_writes" {
  variables {
    alarm_actions = ["arn:aws-us-gov:sns:us-gov-west-1:123456789012:page"]
    ok_actions    = ["arn:aws-us-gov:sns:us-gov-west-1:123456789012:ease"]
  }

  assert {
    condition = { for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name => join(" ", concat([alarm.namespace, alarm.metric_name], [for dimension, value in coalesce(alarm.dimensions, {}) : "${dimension}=${value}"])) } == {
      orders-prod-faults               = "VaultAuthorizer Faults Stage=prod"
      orders-prod-vault-answer-invalid = "VaultAuthorizer Faults Code=vault_answer_invalid Stage=prod"
      orders-prod-signature-invalid    = "VaultAuthorizer Denied Code=signature_invalid Stage=prod"
      orders-prod-algorithm-refused    = "VaultAuthorizer Denied Code=algorithm_refused Stage=prod"
      orders-prod-api-5xx              = "AWS/ApiGateway 5XXError ApiName=orders-api Stage=prod"
      orders-header-reserved           = "VaultAuthorizer Denied Code=header_reserved Stage=unknown"
      orders-throttles                 = "AWS/Lambda Throttles FunctionName=orders"
      orders-start-failures            = "VaultAuthorizer StartFailures-orders"
    }
    error_message = jsonencode({ for name, alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name => alarm.dimensions })
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset(var.alarm_actions) && alarm.ok_actions == toset(var.ok_actions) && alarm.statistic == "Sum" && alarm.treat_missing_data == "notBreaching" && alarm.comparison_operator == "GreaterThanThreshold" && alarm.evaluation_periods == 1])
    error_message = "Who is told, and of what."
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => "${alarm.threshold} in ${alarm.period} s" } == {
      prod-faults               = "2 in 1800 s"
      prod-api_5xx              = "2 in 1800 s"
      prod-vault_answer_invalid = "0 in 60 s"
      prod-signature_invalid    = "20 in 300 s"
      prod-algorithm_refused    = "20 in 300 s"
      header_reserved           = "20 in 300 s"
      throttles                 = "0 in 60 s"
      start_failures            = "0 in 300 s"
    }
    error_message = jsonencode({ for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.threshold })
  }

  assert {
    condition     = alltrue([for filter in aws_cloudwatch_log_metric_filter.start_failures : filter.log_group_name == "/aws/lambda/orders" && filter.metric_transformation[0].namespace == "VaultAuthorizer" && filter.metric_transformation[0].name == "StartFailures-orders" && filter.metric_transformation[0].value == "1"])
    error_message = jsonencode(aws_cloudwatch_log_metric_filter.start_failures)
  }

  assert {
    condition = { for name, filter in aws_cloudwatch_log_metric_filter.start_failures : name => filter.pattern } == {
      authorizer = "{ $.level = \"ERROR\" && $.target = \"bootstrap\" }"
      runtime    = "%^RequestId\\S\\s\\S+\\sError\\S\\s|^INIT_REPORT\\s.*Status\\S\\serror|^INIT_REPORT\\s.*Status\\S\\stimeout|^REPORT\\s.*Status\\S\\stimeout%"
    }
    error_message = jsonencode(aws_cloudwatch_log_metric_filter.start_failures)
  }
}

# The pattern, as CloudWatch reads it, on lines as Lambda and the authorizer write them.
run "a_dead_function_is_counted_and_a_caller_is_not" {
  command = plan

  assert {
    condition = alltrue([
      for line in [
        "RequestId: 8f5e Error: Runtime exited with error: exit status 1",
        "RequestId: 8f5e Error: Runtime exited with error: signal: killed",
        "INIT_REPORT Init Duration: 12.10 ms\tPhase: init\tStatus: error\tError Type: Runtime.InvalidEntrypoint",
        "INIT_REPORT Init Duration: 10008.72 ms\tPhase: init\tStatus: timeout",
        "REPORT RequestId: 8f5e\tDuration: 8000.00 ms\tBilled Duration: 8000 ms\tStatus: timeout",
      ] : can(regex(trim(aws_cloudwatch_log_metric_filter.start_failures["runtime"].pattern, "%"), line))
    ])
    error_message = "Each of them is an outage."
  }

  assert {
    condition = !anytrue([
      for line in [
        "REPORT RequestId: 8f5e\tDuration: 3.00 ms\tBilled Duration: 4 ms\tStatus: error\tError Type: Unauthorized",
        "REPORT RequestId: 8f5e\tDuration: 3.00 ms\tBilled Duration: 4 ms\tMemory Size: 256 MB",
        "INIT_REPORT Init Duration: 12.10 ms\tPhase: init",
        "{\"level\":\"INFO\",\"Code\":\"no_grant\",\"CallerId\":\"corp:RequestId: 8f5e Error: Runtime exited\"}",
        "{\"level\":\"INFO\",\"Route\":\"INIT_REPORT Status: error\"}",
      ] : can(regex(trim(aws_cloudwatch_log_metric_filter.start_failures["runtime"].pattern, "%"), line))
    ])
    error_message = "A caller's own mistake is none, and what it writes is none either."
  }
}

run "thresholds_and_missing_data_can_be_set" {
  variables {
    alarm_thresholds   = { signature_invalid = 500, start_failures = 3, api_5xx = 50, throttles = 9 }
    treat_missing_data = "ignore"
  }

  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.threshold if contains(["prod-signature_invalid", "prod-algorithm_refused", "prod-api_5xx", "start_failures", "throttles"], name) } == { prod-signature_invalid = 500, prod-algorithm_refused = 20, prod-api_5xx = 50, start_failures = 3, throttles = 9 }
    error_message = "Those that are given, and no others."
  }

  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.treat_missing_data if alarm.treat_missing_data != "notBreaching" } == { prod-faults = "ignore", prod-api_5xx = "ignore", throttles = "ignore" }
    error_message = "The metrics of the others have data only when something is wrong."
  }
}

run "without_tracing_the_mode_is_lambdas_default_and_the_role_sends_nothing" {
  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "PassThrough" && length(aws_iam_role_policy.tracing) == 0
    error_message = "The provider keeps the old mode where the block is gone."
  }
}

run "pass_through_lets_the_role_send_traces" {
  variables {
    tracing_mode = "PassThrough"
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "PassThrough" && length(aws_iam_role_policy.tracing) == 1
    error_message = "API Gateway may have sampled the call."
  }
}

run "alarms_can_be_left_out" {
  variables {
    alarms = false
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0
    error_message = "None."
  }
}

run "a_dashboard_is_created_where_it_is_wanted" {
  variables {
    dashboard = true
  }

  assert {
    condition     = aws_cloudwatch_dashboard.this[0].dashboard_name == "orders-us-gov-west-1" && strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "SOURCE '/aws/lambda/orders' |") && length(regexall("[$]{", aws_cloudwatch_dashboard.this[0].dashboard_body)) == 0
    error_message = aws_cloudwatch_dashboard.this[0].dashboard_body
  }
}

run "no_dashboard_is_created_by_default" {
  assert {
    condition     = length(aws_cloudwatch_dashboard.this) == 0
    error_message = "None."
  }
}

run "the_access_log_of_an_http_api_names_no_token" {
  variables {
    api = { type = "HTTP", id = "h1b2c3d4e5" }
  }

  assert {
    condition     = keys(jsondecode(output.access_log_format)) == ["authorizerError", "extendedRequestId", "integrationStatus", "method", "requestId", "requestTime", "responseLatency", "responseType", "route", "stage", "status"] && jsondecode(output.access_log_format).route == "$context.routeKey"
    error_message = output.access_log_format
  }

  assert {
    condition     = regexall("[$]context[.]authorizer[.][A-Za-z]+", output.access_log_format) == tolist(["$context.authorizer.error"])
    error_message = output.access_log_format
  }
}

run "above_4_kb_the_configuration_is_compressed" {
  variables {
    stages = {
      prod = {
        grants = [for index in range(30) : {
          name   = "grant-${index}"
          routes = ["GET /${index}"]
          caller = { issuer = "corp", bound_subject = "alice" }
          token  = { role = "grant-${index}", policies = ["grant-${index}"], ttl = "1m", wrap_ttl = "15s" }
        }]
      }
    }
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ AUTHORIZER_CONFIG = "base64gzip:${base64gzip(output.configuration)}" })
    error_message = jsonencode(aws_lambda_function.this.environment[0].variables)
  }
}

run "in_the_package_there_is_no_variable" {
  variables {
    configuration_in_package = true
    stages = {
      prod = {
        grants = [for index in range(100) : {
          name   = "grant-${index}"
          routes = ["GET /${index}"]
          caller = { issuer = "corp", bound_subject = sha512(index) }
          token  = { role = "grant-${index}", policies = ["grant-${index}"], ttl = "1m", wrap_ttl = "15s" }
        }]
      }
    }
  }

  assert {
    condition     = length(aws_lambda_function.this.environment) == 0 && length(jsondecode(output.configuration).stages.prod.grants) == 100
    error_message = "The document is an output in any case."
  }
}
