# What the tests of this module take for AWS: no account, and another partition than `aws`.

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
  defaults = { arn = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/aws/lambda/orders" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws-us-gov:iam::123456789012:role/orders-us-gov-west-1" }
}
mock_resource "aws_lambda_function" {
  defaults = {
    arn        = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders"
    invoke_arn = "arn:aws-us-gov:apigateway:us-gov-west-1:lambda:path/2015-03-31/functions/arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders/invocations"
  }
}
mock_resource "aws_lambda_alias" {
  defaults = { invoke_arn = "arn:aws-us-gov:apigateway:us-gov-west-1:lambda:path/2015-03-31/functions/arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders:live/invocations" }
}
mock_resource "aws_api_gateway_authorizer" {
  defaults = { id = "re57id" }
}
mock_resource "aws_apigatewayv2_authorizer" {
  defaults = { id = "h77pid" }
}
