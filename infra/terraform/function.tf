# Made here, so that its retention is set before the first line. A group that Lambda makes by itself keeps all for ever.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.full_name}"
  retention_in_days = var.log_retention_in_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

# The identity that Vault knows the authorizer by (auth/aws/role/…, bound_iam_principal_arn). Its name can be told before it
# exists, so that Vault's side can be set up first, and by others. It has no path: GetCallerIdentity leaves a role's path out, so
# Vault could not compare one.
resource "aws_iam_role" "this" {
  name                 = local.full_name
  description          = "The vault-authorizer of stage ${var.stage.name}"
  assume_role_policy   = jsonencode(local.trust)
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

# It may write its own log. sts:GetCallerIdentity needs no permission, and what it may do in Vault is written in Vault.
resource "aws_iam_role_policy" "log" {
  name   = "write-own-log"
  role   = aws_iam_role.this.name
  policy = jsonencode(local.log_permissions)
}

resource "aws_iam_role_policy" "vpc" {
  count = var.vpc == null ? 0 : 1

  name   = "attach-to-vpc"
  role   = aws_iam_role.this.name
  policy = jsonencode(local.vpc_permissions)
}

# With `login.method: jwt` and `web_identity_audience`, the role may ask STS for a JWT with this audience, and no other.
resource "aws_iam_role_policy" "web_identity" {
  count = try(var.vault.login.web_identity_audience, null) != null ? 1 : 0

  name   = "ask-for-own-jwt"
  role   = aws_iam_role.this.name
  policy = jsonencode(local.web_identity_permissions)
}

locals {
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

  # Lambda makes the interfaces with the function's role. The second statement keeps the function's own code from them.
  interface_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
  vpc_permissions = {
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = local.interface_actions, Resource = "*" },
      {
        Effect    = "Deny"
        Action    = local.interface_actions
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
      },
    ]
  }

  web_identity_permissions = {
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "sts:GetWebIdentityToken"
      Resource = "*"
      Condition = {
        "ForAllValues:StringEquals" = { "sts:IdentityTokenAudience" = try(var.vault.login.web_identity_audience, null) }
        NumericLessThanEquals       = { "sts:DurationSeconds" = 60 }
      }
    }]
  }
}

resource "aws_lambda_function" "this" {
  function_name = local.full_name
  description   = "Turns a caller's credential into one short-lived, response-wrapped Vault token"
  role          = aws_iam_role.this.arn
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture]
  memory_size   = var.memory_size
  timeout       = var.timeout
  kms_key_arn   = var.kms_key_arn
  tags          = var.tags

  reserved_concurrent_executions = var.reserved_concurrent_executions

  filename          = try(var.package.file, null)
  source_code_hash  = try(filebase64sha256(var.package.file), null)
  s3_bucket         = try(var.package.bucket, null)
  s3_key            = try(var.package.key, null)
  s3_object_version = try(var.package.object_version, null)

  dynamic "environment" {
    for_each = var.configuration_in_package ? [] : [module.configuration.environment_value]

    content {
      variables = { AUTHORIZER_CONFIG = environment.value }
    }
  }

  dynamic "vpc_config" {
    for_each = var.vpc[*]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  # CloudWatch makes metrics of the lines as the authorizer writes them.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  # Lambda looks whether the role may make interfaces when it makes the function.
  depends_on = [aws_iam_role_policy.log, aws_iam_role_policy.vpc, aws_iam_role_policy.web_identity]
}
