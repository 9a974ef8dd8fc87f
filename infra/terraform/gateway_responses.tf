# What a REST API answers by itself. Every answer has the CORS header, without which a browser hides status and body from the page.
# A deployment must follow them: see the output `redeployment`.

locals {
  # RFC 9449, section 7.1: DPoP with its algorithms where an issuer demands it, and Bearer unless every issuer does.
  bindings = try([for issuer in var.issuers : {
    require    = try(coalesce(issuer.binding.require), "none")
    algorithms = try(coalesce(issuer.binding.dpop_algorithms), ["ES256", "EdDSA", "RS256", "PS256"])
  }], [])
  dpop_algorithms = distinct(flatten([for binding in local.bindings : binding.algorithms if contains(["any", "dpop"], binding.require)]))
  # Every caller reads it, also where the issuers are marked as sensitive.
  challenge = nonsensitive(join(", ", concat(
    length(local.bindings) > 0 && alltrue([for binding in local.bindings : binding.require == "dpop"]) ? [] : ["Bearer"],
    length(local.dpop_algorithms) > 0 ? ["DPoP algs=\"${join(" ", local.dpop_algorithms)}\""] : [],
  )))

  makes_responses = local.is_rest && var.gateway_responses != false

  origin      = { "gatewayresponse.header.Access-Control-Allow-Origin" = "'${var.allow_origin}'" }
  unavailable = { "application/json" = jsonencode({ message = "Service Unavailable" }) }
  as_it_is    = { "application/json" = "{\"message\":$context.error.messageString}" }
  again = merge(local.origin, {
    "gatewayresponse.header.Retry-After"                   = "'5'"
    "gatewayresponse.header.Access-Control-Expose-Headers" = "'Retry-After'"
  })

  gateway_responses = {
    # The authorizer failed with the message `Unauthorized`: the credential is missing, wrong or expired.
    UNAUTHORIZED = {
      status = "401"
      parameters = merge(local.origin, {
        "gatewayresponse.header.WWW-Authenticate"              = "'${local.challenge}'"
        "gatewayresponse.header.Access-Control-Expose-Headers" = "'WWW-Authenticate'"
      })
      templates = { "application/json" = jsonencode({ message = "Unauthorized" }) }
    }
    # The authorizer answered Deny. `reason` is a code from a fixed list and `denialId` the Lambda request id, by which the log
    # line is found; neither needs escaping. Both are empty where API Gateway refused without the authorizer.
    ACCESS_DENIED = {
      status     = "403"
      parameters = local.origin
      templates = {
        "application/json" = jsonencode({ message = "Forbidden", reason = "$context.authorizer.reason", denialId = "$context.authorizer.denialId" })
      }
    }
    # The authorizer failed with any other message, or did not answer: Vault, the identity provider or we are broken. The caller
    # may be right, so this is no 4xx, and trying again makes sense.
    AUTHORIZER_FAILURE = { status = "503", parameters = local.again, templates = local.unavailable }
    # API Gateway could not call the authorizer or not read its answer. Users report either type for one and the same cause.
    AUTHORIZER_CONFIGURATION_ERROR = { status = "503", parameters = local.again, templates = local.unavailable }
    # Unknown paths, throttled callers; the integration failed or took too long. Status and body stay API Gateway's: the template is
    # its own, which it answers with where none is set, and which would then be a difference in every plan.
    DEFAULT_4XX = { status = null, parameters = local.origin, templates = local.as_it_is }
    DEFAULT_5XX = { status = null, parameters = local.origin, templates = local.as_it_is }
  }
}

resource "aws_api_gateway_gateway_response" "this" {
  for_each = { for type, response in local.gateway_responses : type => response if local.makes_responses }

  rest_api_id         = var.api.id
  response_type       = each.key
  status_code         = each.value.status
  response_parameters = each.value.parameters
  response_templates  = each.value.templates
}
