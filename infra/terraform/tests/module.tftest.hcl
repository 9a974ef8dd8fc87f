# What the module asks AWS for. Nothing is made: the provider is a mock, of another partition than `aws`.

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
    condition     = output.authorizer_id == "re57id" && output.authorizer == { id = "re57id", type = "REQUEST", api = { type = "REST", id = "a1b2c3d4e5" } }
    error_message = "The outputs name it."
  }

  assert {
    condition     = aws_lambda_permission.this.source_arn == "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3d4e5/authorizers/re57id"
    error_message = jsonencode(aws_lambda_permission.this.source_arn)
  }

  assert {
    condition     = aws_lambda_permission.this.principal == "apigateway.amazonaws.com" && aws_lambda_permission.this.action == "lambda:InvokeFunction" && aws_lambda_permission.this.function_name == "orders-prod"
    error_message = "API Gateway alone, and nothing but a call."
  }

  assert {
    condition     = aws_lambda_function.this.function_name == "orders-prod" && aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.handler == "bootstrap"
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
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/orders-prod" && aws_cloudwatch_log_group.this.retention_in_days == 90
    error_message = "Its log ends some day."
  }

  assert {
    condition     = aws_iam_role.this.name == "orders-prod" && aws_iam_role.this.path == null
    error_message = "GetCallerIdentity leaves a path out, so Vault could not compare one."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
    error_message = jsonencode(aws_iam_role.this.assume_role_policy)
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.log.policy).Statement == [{ Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/aws/lambda/orders-prod:*" }]
    error_message = jsonencode(aws_iam_role_policy.log.policy)
  }

  assert {
    condition     = length(aws_iam_role_policy.vpc) == 0 && length(aws_iam_role_policy.web_identity) == 0
    error_message = "Without a VPC it may make no interfaces; without web_identity_audience it may ask for no JWT."
  }

  assert {
    condition     = output.vault_login_role == "api-authorizer" && output.role_arn == "arn:aws-us-gov:iam::123456789012:role/orders-prod"
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
    vpc = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"]) && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-1"])
    error_message = "In the VPC."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.vpc[0].policy).Statement : statement.Effect] == ["Allow", "Deny"]
    error_message = jsonencode(aws_iam_role_policy.vpc[0].policy)
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.vpc[0].policy).Statement[0].Action == jsondecode(aws_iam_role_policy.vpc[0].policy).Statement[1].Action && alltrue([for action in jsondecode(aws_iam_role_policy.vpc[0].policy).Statement[0].Action : startswith(action, "ec2:")])
    error_message = jsonencode(aws_iam_role_policy.vpc[0].policy)
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.vpc[0].policy).Statement[1].Condition == { ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders-prod" } }
    error_message = jsonencode(aws_iam_role_policy.vpc[0].policy)
  }
}

run "with_a_jwt_login_the_role_may_ask_for_its_own_jwt" {
  variables {
    vault = { address = "https://vault.example.com", login = { method = "jwt", role = "api", web_identity_audience = "vault.example.com" } }
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.web_identity[0].policy).Statement[0].Action == "sts:GetWebIdentityToken" && jsondecode(aws_iam_role_policy.web_identity[0].policy).Statement[0].Condition["ForAllValues:StringEquals"]["sts:IdentityTokenAudience"] == "vault.example.com"
    error_message = jsonencode(aws_iam_role_policy.web_identity[0].policy)
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
    package                        = { bucket = "code", key = "authorizer-1.zip", object_version = "v1" }
    architecture                   = "arm64"
    memory_size                    = 512
    timeout                        = 5
    reserved_concurrent_executions = 1
    log_retention_in_days          = 30
    kms_key_arn                    = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1"
    log_kms_key_arn                = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/2"
    permissions_boundary           = "arn:aws-us-gov:iam::123456789012:policy/bound"
    tags                           = { team = "orders" }
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
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn && aws_cloudwatch_log_group.this.kms_key_id == var.log_kms_key_arn && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "Keys."
  }

  assert {
    condition     = aws_iam_role.this.permissions_boundary == var.permissions_boundary
    error_message = "The boundary."
  }

  assert {
    condition     = alltrue([for tags in concat([aws_lambda_function.this.tags, aws_iam_role.this.tags, aws_cloudwatch_log_group.this.tags], [for alarm in aws_cloudwatch_metric_alarm.this : alarm.tags]) : tags == tomap({ team = "orders" })])
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
    stage                          = { name = "prod", grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }] }
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
    stage = {
      name   = "$default"
      grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }]
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
    condition     = aws_lambda_function.this.function_name == "orders-default" && aws_iam_role.this.name == "orders-default" && keys(jsondecode(output.configuration).stages) == ["$default"]
    error_message = "The stage $default is called default in names."
  }

  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : contains(["$default", "unknown"], alarm.dimensions.Stage) if name != "throttles"])
    error_message = "The metrics have the stage as it is."
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
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => join(" ", concat([alarm.namespace, alarm.metric_name], [for dimension, value in alarm.dimensions : "${dimension}=${value}"])) } == {
      faults               = "VaultAuthorizer Faults Stage=prod"
      vault_answer_invalid = "VaultAuthorizer Faults Code=vault_answer_invalid Stage=prod"
      signature_invalid    = "VaultAuthorizer Denied Code=signature_invalid Stage=prod"
      algorithm_refused    = "VaultAuthorizer Denied Code=algorithm_refused Stage=prod"
      header_reserved      = "VaultAuthorizer Denied Code=header_reserved Stage=unknown"
      throttles            = "AWS/Lambda Throttles FunctionName=orders-prod"
    }
    error_message = jsonencode({ for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.dimensions })
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset(var.alarm_actions) && alarm.statistic == "Sum" && alarm.treat_missing_data == "notBreaching" && alarm.comparison_operator == "GreaterThanThreshold"])
    error_message = "Who is told, and of what."
  }

  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => "${alarm.threshold} in ${alarm.evaluation_periods} x ${alarm.period} s" } == { faults = "0 in 3 x 60 s", vault_answer_invalid = "0 in 1 x 60 s", signature_invalid = "20 in 1 x 300 s", algorithm_refused = "20 in 1 x 300 s", header_reserved = "20 in 1 x 300 s", throttles = "0 in 1 x 60 s" }
    error_message = jsonencode({ for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.threshold })
  }
}

run "thresholds_can_be_set" {
  variables {
    alarm_thresholds = { signature_invalid = 500 }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["signature_invalid"].threshold == 500 && aws_cloudwatch_metric_alarm.this["algorithm_refused"].threshold == 20
    error_message = "The one that is given, and no other."
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
    stage = {
      name = "prod"
      grants = [for index in range(30) : {
        name   = "grant-${index}"
        routes = ["GET /${index}"]
        caller = { issuer = "corp", bound_subject = "alice" }
        token  = { role = "grant-${index}", policies = ["grant-${index}"], ttl = "1m", wrap_ttl = "15s" }
      }]
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
    stage = {
      name = "prod"
      grants = [for index in range(100) : {
        name   = "grant-${index}"
        routes = ["GET /${index}"]
        caller = { issuer = "corp", bound_subject = sha512(index) }
        token  = { role = "grant-${index}", policies = ["grant-${index}"], ttl = "1m", wrap_ttl = "15s" }
      }]
    }
  }

  assert {
    condition     = length(aws_lambda_function.this.environment) == 0 && length(jsondecode(output.configuration).stages.prod.grants) == 100
    error_message = "The document is an output in any case."
  }
}
