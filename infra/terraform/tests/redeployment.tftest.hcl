# A stage serves a snapshot of its REST API. It is taken again whenever something in it changes: else the stage calls a function that
# is gone, or answers as it did.

mock_provider "aws" {
  source = "./tests/mocks"
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
