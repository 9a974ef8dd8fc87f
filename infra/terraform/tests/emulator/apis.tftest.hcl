# Against an AWS emulator: AWS_ENDPOINT_URL says where. With the real provider, which checks more than a mock does.
#
#   terraform init -test-directory=tests/emulator && terraform test -test-directory=tests/emulator -var zip=authorizer.zip

provider "aws" {
  s3_use_path_style = true
}

run "two_stages_of_one_rest_api_and_an_http_api_with_every_setting" {
  module {
    source = "./tests/emulator/apis"
  }

  assert {
    condition     = { for name, function in output.functions : name => function.function_name } == { rest = "rest", token = "token", http = "http" }
    error_message = "The functions are ${jsonencode([for function in output.functions : function.function_name])}"
  }

  assert {
    condition     = alltrue([for name, function in output.functions : function.role == output.roles[name]])
    error_message = "The roles are ${jsonencode(output.roles)}"
  }

  assert {
    condition     = endswith(output.roles.rest, ":role/teams/orders/rest-${output.region}") && output.principals.rest == replace(output.roles.rest, "teams/orders/", "")
    error_message = "Vault is bound to ${jsonencode(output.principals)}"
  }

  assert {
    condition     = output.principals.token == output.roles.token && endswith(output.roles.token, ":role/token-authorizer") && output.principals.http == output.roles.http
    error_message = "Vault is bound to ${jsonencode(output.principals)}"
  }

  assert {
    condition     = alltrue([for name, function in output.functions : function.reserved_concurrent_executions == (name == "http" ? 5 : 20) && function.timeout == 8])
    error_message = "The functions' bounds are ${jsonencode([for function in output.functions : function.reserved_concurrent_executions])}"
  }

  assert {
    condition     = alltrue([for name, function in output.functions : function.environment[0].variables["AUTHORIZER_CONFIG"] == output.configurations[name]])
    error_message = "The functions' variables are ${jsonencode([for function in output.functions : function.environment[0].variables])}"
  }

  assert {
    condition     = alltrue(flatten([for name, document in output.configurations : [for stage in jsondecode(document).stages : stage.api_ids == [output.api_ids[name]]]]))
    error_message = "The configurations are ${jsonencode(output.configurations)}"
  }

  assert {
    condition     = { for name, authorizer in output.authorizers : name => "${authorizer.type} ${authorizer.identity_source} ${authorizer.authorizer_result_ttl_in_seconds}" } == { rest = "REQUEST  0", token = "TOKEN method.request.header.Authorization 0" }
    error_message = "The authorizers are ${jsonencode(output.authorizers)}"
  }

  assert {
    condition     = endswith(output.authorizers.rest.authorizer_uri, ":function:rest:live/invocations") && endswith(output.authorizers.token.authorizer_uri, ":function:token/invocations")
    error_message = "The authorizers are ${jsonencode(output.authorizers)}"
  }

  assert {
    condition     = length(output.route_id) > 0
    error_message = "The container of the HTTP API has a route."
  }
}
