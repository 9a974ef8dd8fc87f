# docs/operations.md, "What to alarm on": what CloudWatch can see of it. `Stage` is the stage's name alone: authorizers of one
# account and region whose stages have one name share these metrics.

locals {
  alarms = {
    faults = {
      description = "Callers who may call cannot: the log's lines with outcome fault say why."
      metric      = "Faults", dimensions = { Stage = var.stage.name }, periods = 3, seconds = 60, threshold = 0
    }
    vault_answer_invalid = {
      description = "Vault's answer was not the wrapped token that was ordered: a token may have been minted in clear."
      metric      = "Faults", dimensions = { Stage = var.stage.name, Code = "vault_answer_invalid" }, periods = 1, seconds = 60, threshold = 0
    }
    signature_invalid = {
      description = "Forged tokens."
      metric      = "Denied", dimensions = { Stage = var.stage.name, Code = "signature_invalid" }, periods = 1, seconds = 300, threshold = 20
    }
    algorithm_refused = {
      description = "Forged tokens."
      metric      = "Denied", dimensions = { Stage = var.stage.name, Code = "algorithm_refused" }, periods = 1, seconds = 300, threshold = 20
    }
    # It is refused before the stage is looked up.
    header_reserved = {
      description = "Callers send headers that only the authorizer may: smuggling."
      metric      = "Denied", dimensions = { Stage = "unknown", Code = "header_reserved" }, periods = 1, seconds = 300, threshold = 20
    }
    throttles = {
      description = "Callers beyond reserved_concurrent_executions are refused."
      metric      = "Throttles", dimensions = { FunctionName = local.full_name }, periods = 1, seconds = 60, threshold = 0
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms }

  alarm_name          = "${local.full_name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.key == "throttles" ? "AWS/Lambda" : "VaultAuthorizer"
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = each.value.seconds
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = lookup(var.alarm_thresholds, each.key, each.value.threshold)
  treat_missing_data  = "notBreaching" # no calls
  alarm_actions       = var.alarm_actions
  tags                = var.tags
}
