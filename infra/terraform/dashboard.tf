# The dashboard that the CloudFormation templates and the CDK construct create as well.

resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  # With the region, because a dashboard belongs to the whole account.
  dashboard_name = "${var.name}-${local.region}"
  dashboard_body = templatefile("${path.module}/../dashboard.json", { region = local.region, function = var.name })
}
