# The sample integration (examples/orders of this repository), which reads one secret with the Vault token that its caller was
# granted. Vault does not know its role: the function holds only what each call brings.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80"
    }
  }
}

variable "name" {
  description = "Of the function, its role and its log group."
  type        = string
}

variable "zip" {
  description = "The function's zip file, with `bootstrap` in it."
  type        = string
}

variable "vault_address" {
  description = "Vault's address as the function reaches it."
  type        = string
}

variable "vault_namespace" {
  description = "The Vault namespace, if any."
  type        = string
  default     = null
}

variable "allow_origin" {
  description = "The origin whose pages may read the answers."
  type        = string
}

variable "stages" {
  description = "What it accepts and reads, by stage."
  type        = map(object({ creation_path = string, secret_path = string }))
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 90
}

resource "aws_iam_role" "this" {
  name = var.name

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "log" {
  name = "write-own-log"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${aws_cloudwatch_log_group.this.arn}:*" }]
  })
}

resource "aws_lambda_function" "this" {
  function_name    = var.name
  description      = "Reads one secret with the Vault token its caller was granted"
  role             = aws_iam_role.this.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = ["x86_64"]
  memory_size      = 256
  timeout          = 10
  filename         = var.zip
  source_code_hash = filebase64sha256(var.zip)

  # It trusts its own configuration: what the call's context says of these is compared, not followed.
  environment {
    variables = merge(
      { VAULT_ADDR = var.vault_address, ALLOW_ORIGIN = var.allow_origin, ORDERS_STAGES = jsonencode(var.stages) },
      { for namespace in var.vault_namespace[*] : "VAULT_NAMESPACE" => namespace },
    )
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  depends_on = [aws_iam_role_policy.log]
}

output "function_name" {
  value = aws_lambda_function.this.function_name
}

output "invoke_arn" {
  value = aws_lambda_function.this.invoke_arn
}

output "log_group_name" {
  value = aws_cloudwatch_log_group.this.name
}
