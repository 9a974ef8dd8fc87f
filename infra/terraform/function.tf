# Made here, so that its retention is set before the first line. A group that Lambda makes by itself keeps all for ever.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.cloudwatch_logs_retention_in_days
  kms_key_id        = var.cloudwatch_logs_kms_key_id
  skip_destroy      = var.cloudwatch_logs_skip_destroy
  tags              = var.tags
}

# The identity that Vault knows the authorizer by (auth/aws/role/…, bound_iam_principal_arn). Its name can be told before it
# exists, so that Vault's side can be set up first, and by others. An IAM role is of the whole account, a function of one region.
resource "aws_iam_role" "this" {
  count = local.creates_role ? 1 : 0

  name                 = local.role_name
  path                 = var.role_path
  description          = "The vault-authorizer ${var.name}"
  assume_role_policy   = jsonencode(local.trust)
  permissions_boundary = var.role_permissions_boundary
  tags                 = var.tags

  lifecycle {
    precondition {
      condition     = length(local.role_name) <= 64
      error_message = "name: the role is called `${local.role_name}`, <name>-<region>, and may have 64 characters."
    }
  }
}

# It may write its own log. sts:GetCallerIdentity needs no permission, and what it may do in Vault is written in Vault.
resource "aws_iam_role_policy" "log" {
  count = local.creates_role ? 1 : 0

  name   = "write-own-log"
  role   = aws_iam_role.this[0].name
  policy = jsonencode(local.log_permissions)
}

resource "aws_iam_role_policy" "vpc" {
  count = local.creates_role && local.in_vpc ? 1 : 0

  name   = "attach-to-vpc"
  role   = aws_iam_role.this[0].name
  policy = jsonencode(local.vpc_permissions)
}

# With `login.method: jwt` and `web_identity_audience`, the role may ask STS for a JWT with this audience, and no other.
resource "aws_iam_role_policy" "web_identity" {
  count = local.creates_role && try(var.vault.login.web_identity_audience, null) != null ? 1 : 0

  name   = "ask-for-own-jwt"
  role   = aws_iam_role.this[0].name
  policy = jsonencode(local.web_identity_permissions)
}

resource "aws_iam_role_policy" "tracing" {
  count = local.creates_role && var.tracing_mode != null ? 1 : 0

  name   = "send-traces"
  role   = aws_iam_role.this[0].name
  policy = jsonencode(local.tracing_permissions)
}

locals {
  creates_role = var.create_role == null ? var.lambda_role == null : var.create_role
  role_name    = "${var.name}-${local.region}"
  role_arn     = local.creates_role ? one(aws_iam_role.this[*].arn) : var.lambda_role
  # Known at plan, where the role is made here.
  role_foretold = local.creates_role ? "arn:${local.partition}:iam::${local.account}:role${var.role_path}${local.role_name}" : var.lambda_role

  in_vpc = length(coalesce(var.vpc_subnet_ids, [])) > 0

  trust = {
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  }

  log_permissions = {
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.this.arn}:*" # this group's streams
    }]
  }

  # Lambda makes the interfaces with the function's role. A shared subnet has its owner's account in its ARN; an interface is this
  # account's. `*/*` is how Lambda's guide wants it: only an interface is the resource of these actions. The last statement keeps
  # the function's own code from all of them.
  interfaces        = "arn:${local.partition}:ec2:${local.region}:${local.account}"
  describe_actions  = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
  interface_actions = ["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
  vpc_permissions = {
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = local.describe_actions, Resource = "*" }, # EC2 knows no narrower resource
      {
        Effect = "Allow"
        Action = "ec2:CreateNetworkInterface"
        Resource = concat(
          ["${local.interfaces}:network-interface/*"],
          [for id in coalesce(var.vpc_subnet_ids, []) : "arn:${local.partition}:ec2:${local.region}:*:subnet/${id}"],
          [for id in coalesce(var.vpc_security_group_ids, []) : "arn:${local.partition}:ec2:${local.region}:*:security-group/${id}"],
        )
      },
      { Effect = "Allow", Action = local.interface_actions, Resource = "${local.interfaces}:*/*" },
      {
        Effect    = "Deny"
        Action    = concat(["ec2:CreateNetworkInterface"], local.describe_actions, local.interface_actions)
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
      },
    ]
  }

  tracing_permissions = {
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], Resource = "*" }]
  }

  web_identity_permissions = {
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "sts:GetWebIdentityToken"
      Resource = "*"
      Condition = {
        # `ForAllValues` is true of a request without any audience: `Null` refuses that one.
        Null                        = { "sts:IdentityTokenAudience" = "false" }
        "ForAllValues:StringEquals" = { "sts:IdentityTokenAudience" = try(var.vault.login.web_identity_audience, null) }
        NumericLessThanEquals       = { "sts:DurationSeconds" = 60 }
      }
    }]
  }
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = "Turns a caller's credential into one short-lived, response-wrapped Vault token"
  role          = local.role_arn
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture]
  memory_size   = var.memory_size
  timeout       = var.timeout
  kms_key_arn   = var.kms_key_arn
  layers        = var.layers
  publish       = local.has_alias # a new version for each change
  tags          = var.tags

  code_signing_config_arn        = var.code_signing_config_arn
  reserved_concurrent_executions = var.reserved_concurrent_executions

  filename          = try(var.package.file, null)
  source_code_hash  = try(filebase64sha256(var.package.file), null)
  s3_bucket         = try(var.package.bucket, null)
  s3_key            = try(var.package.key, null)
  s3_object_version = try(var.package.object_version, null)

  dynamic "environment" {
    for_each = var.configuration_in_package && length(var.environment_variables) == 0 ? [] : [true]

    content {
      variables = merge(
        var.environment_variables,
        { for value in [module.configuration.environment_value] : "AUTHORIZER_CONFIG" => value if !var.configuration_in_package },
      )
    }
  }

  dynamic "vpc_config" {
    for_each = local.in_vpc ? [true] : []

    content {
      subnet_ids                  = var.vpc_subnet_ids
      security_group_ids          = var.vpc_security_group_ids
      ipv6_allowed_for_dual_stack = var.ipv6_allowed_for_dual_stack
    }
  }

  # Always written: the provider keeps the old mode where the block is gone. PassThrough is Lambda's default.
  tracing_config {
    mode = coalesce(var.tracing_mode, "PassThrough")
  }

  # CloudWatch makes metrics of the lines as the authorizer writes them.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  # Lambda looks whether the role may make interfaces when it makes the function.
  depends_on = [aws_iam_role_policy.log, aws_iam_role_policy.vpc, aws_iam_role_policy.web_identity, aws_iam_role_policy.tracing]
}

# Provisioned instances are of a version. The alias leads to the newest one, and API Gateway to the alias.
resource "aws_lambda_alias" "live" {
  count = local.has_alias ? 1 : 0

  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = local.has_alias ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live[0].name
  provisioned_concurrent_executions = var.provisioned_concurrent_executions
}

locals {
  has_alias  = var.provisioned_concurrent_executions != -1
  invoke_arn = local.has_alias ? one(aws_lambda_alias.live[*].invoke_arn) : aws_lambda_function.this.invoke_arn
}
