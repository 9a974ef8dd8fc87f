# Against an AWS emulator: AWS_ENDPOINT_URL says where. With the real provider, which checks more than a mock does.
#
#   terraform init -test-directory=tests/emulator && terraform test -test-directory=tests/emulator -var zip=authorizer.zip

provider "aws" {
  s3_use_path_style = true
}

run "two_stages_of_one_rest_api_and_an_http_api" {
  module {
    source = "./tests/emulator/apis"
  }

  assert {
    condition     = { for name, function in output.functions : name => function.function_name } == { prod = "rest-prod", staging = "rest-staging", default = "http-default" }
    error_message = "The functions are ${jsonencode([for function in output.functions : function.function_name])}"
  }

  assert {
    condition     = alltrue([for name, function in output.functions : function.role == output.roles[name] && endswith(function.role, ":role/${function.function_name}")])
    error_message = "The roles are ${jsonencode(output.roles)}"
  }

  assert {
    condition     = alltrue([for function in output.functions : function.reserved_concurrent_executions == 20 && function.timeout == 8])
    error_message = "The functions' bounds are ${jsonencode([for function in output.functions : function.reserved_concurrent_executions])}"
  }

  assert {
    condition     = alltrue([for name, function in output.functions : function.environment[0].variables == tomap({ AUTHORIZER_CONFIG = output.configurations[name] })])
    error_message = "The functions' variables are ${jsonencode([for function in output.functions : function.environment[0].variables])}"
  }

  assert {
    condition     = alltrue([for name, document in output.configurations : one(values(jsondecode(document).stages)).api_ids == [output.api_ids[name]]])
    error_message = "The configurations are ${jsonencode(output.configurations)}"
  }

  assert {
    condition     = { for name, authorizer in output.authorizers : name => "${authorizer.type} ${authorizer.identity_source} ${authorizer.authorizer_result_ttl_in_seconds}" } == { prod = "REQUEST  0", staging = "TOKEN method.request.header.Authorization 0" }
    error_message = "The authorizers are ${jsonencode(output.authorizers)}"
  }

  assert {
    condition     = length(output.route_id) > 0
    error_message = "The container of the HTTP API has a route."
  }
}
