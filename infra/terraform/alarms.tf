# docs/operations.md, "What to alarm on": what CloudWatch can see of it. `Stage` is the stage's name alone: authorizers of one
# account and region whose stages have one name share these metrics.

locals {
  stage_alarms = {
    faults = {
      description = "Callers who may call cannot: the log's lines with outcome fault say why."
      metric      = "Faults", dimensions = {}, seconds = 1800, threshold = 2
    }
    vault_answer_invalid = {
      description = "Vault's answer was not the wrapped token that was ordered: a token may have been minted in clear."
      metric      = "Faults", dimensions = { Code = "vault_answer_invalid" }, seconds = 60, threshold = 0
    }
    signature_invalid = {
      description = "Forged tokens, or an issuer whose new keys are not known."
      metric      = "Denied", dimensions = { Code = "signature_invalid" }, seconds = 300, threshold = 20
    }
    algorithm_refused = {
      description = "Forged tokens, or an issuer that signs with an algorithm that is not configured."
      metric      = "Denied", dimensions = { Code = "algorithm_refused" }, seconds = 300, threshold = 20
    }
  }
  # The only one that sees a missing permission to invoke the function.
  api_alarms = {
    for dimensions in local.api_dimensions : "api_5xx" => {
      description = "The API answers 5xx. Without faults or start failures, look at the permission to invoke the function, then at the backend, whose 5xx count as well."
      metric      = local.is_rest ? "5XXError" : "5xx", namespace = "AWS/ApiGateway", dimensions = dimensions, seconds = 1800, threshold = 2
    }
  }
  function_alarms = {
    # It is refused before the stage is looked up.
    header_reserved = {
      description = "Callers send headers that only the authorizer may: smuggling."
      metric      = "Denied", dimensions = { Stage = "unknown", Code = "header_reserved" }, seconds = 300, threshold = 20
    }
    throttles = {
      description = "Lambda refuses callers: more authorizations at once than reserved_concurrent_executions, or than the account may run."
      metric      = "Throttles", namespace = "AWS/Lambda", dimensions = { FunctionName = var.name }, seconds = 60, threshold = 0
    }
    start_failures = {
      description = "The function does not start, or ended in the middle of a call: its log says why."
      metric      = local.start_failures, dimensions = {}, seconds = 300, threshold = 0
    }
  }

  # The metrics of the others have data only when something is wrong: `breaching` would raise their alarms on a healthy API.
  with_data_when_healthy = ["faults", "api_5xx", "throttles"]

  # CloudWatch knows a REST API by its name, and an HTTP API by its id.
  api_dimensions = local.is_rest ? [for name in var.api.name[*] : { ApiName = name }] : [{ ApiId = var.api.id }]

  # A metric of a filter has no dimension that the lines do not have.
  start_failures = "StartFailures-${var.name}"

  alarms = merge(
    { for id, alarm in local.function_alarms : id => merge(alarm, { id = id }) },
    [
      for stage in keys(var.stages) : {
        for id, alarm in merge(local.stage_alarms, local.api_alarms) :
        "${stage}-${id}" => merge(alarm, { id = id, dimensions = merge(alarm.dimensions, { Stage = stage }) })
      }
    ]...
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms }

  alarm_name          = "${var.name}-${trimsuffix(each.key, each.value.id)}${replace(each.value.id, "_", "-")}"
  alarm_description   = each.value.description
  namespace           = lookup(each.value, "namespace", "VaultAuthorizer")
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = each.value.seconds
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = lookup(var.alarm_thresholds, each.value.id, each.value.threshold)
  treat_missing_data  = contains(local.with_data_when_healthy, each.value.id) ? var.treat_missing_data : "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

# A function that does not start writes no metrics of its own. The authorizer's line is JSON, and what a caller wrote stands
# escaped in a value of it: it can be neither pattern.
locals {
  start_failure_patterns = {
    authorizer = "{ $.level = \"ERROR\" && $.target = \"bootstrap\" }"
    # It exited, could not be run, had too little memory, or did not answer in time. `REPORT … Status: error` is not among them:
    # every 401 is one.
    runtime = "%^RequestId\\S\\s\\S+\\sError\\S\\s|^INIT_REPORT\\s.*Status\\S\\serror|^INIT_REPORT\\s.*Status\\S\\stimeout|^REPORT\\s.*Status\\S\\stimeout%"
  }
}

resource "aws_cloudwatch_log_metric_filter" "start_failures" {
  for_each = { for name, pattern in local.start_failure_patterns : name => pattern if var.alarms }

  name           = "start-failures-${each.key}"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = each.value

  metric_transformation {
    namespace = "VaultAuthorizer"
    name      = local.start_failures
    value     = "1"
  }
}

check "every_stage_has_all_alarms" {
  assert {
    condition     = !var.alarms || length(local.api_dimensions) > 0
    error_message = "api.name: is missing, so no alarm looks at the API's 5xx, and nothing tells of a missing permission to invoke the function. Write the REST API's name, or alarms = false."
  }
}
