resource "aws_api_gateway_authorizer" "this" {
  count = local.is_rest ? 1 : 0

  rest_api_id    = var.api.id
  name           = var.name
  type           = var.authorizer_type
  authorizer_uri = local.invoke_arn

  # A REQUEST authorizer has none. It is the cache's key, and API Gateway asks for one only where it caches. Without it every call
  # reaches the authorizer, also one without a credential, so that every refusal is a line in its log. The provider's own default
  # is the header Authorization; the empty text is none.
  identity_source = var.authorizer_type == "TOKEN" ? "method.request.header.${one(local.places).header}" : ""

  # Never cache: API Gateway would replay the first call's context, and its wrapping token is spent by then. The default is 300.
  authorizer_result_ttl_in_seconds = var.authorizer_result_ttl_in_seconds
}

resource "aws_apigatewayv2_authorizer" "this" {
  count = local.is_rest ? 0 : 1

  api_id                            = var.api.id
  name                              = var.name
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = local.invoke_arn
  authorizer_payload_format_version = "2.0"
  authorizer_result_ttl_in_seconds  = var.authorizer_result_ttl_in_seconds
  enable_simple_responses           = try(var.answer.response, "policy") == "simple"

  # An HTTP API looks for its identity sources also where it does not cache: a request without one is a 401 of the API's own, and
  # costs no call. Where a credential may stand in one of several places, no source may be required.
  identity_sources = length(local.places) == 1 ? [
    for place in local.places :
    try(place.header, null) != null ? "$request.header.${place.header}" : "$request.querystring.${place.query}"
    if try(place.header, null) != null || try(place.query, null) != null
  ] : []
}

locals {
  authorizer_id = local.is_rest ? one(aws_api_gateway_authorizer.this[*].id) : one(aws_apigatewayv2_authorizer.this[*].id)
}

# This authorizer of this API, and no other, may invoke the function.
#
# Without `create_before_destroy`: Terraform would extend it to the role, and a new `role_path` would fail, because the new role has the
# old one's name. README.md says how to rename the function.
resource "aws_lambda_permission" "this" {
  statement_id  = "authorizer"
  function_name = aws_lambda_function.this.function_name
  qualifier     = one(aws_lambda_alias.live[*].name)
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "arn:${local.partition}:execute-api:${local.region}:${local.account}:${var.api.id}/authorizers/${local.authorizer_id}"
}
