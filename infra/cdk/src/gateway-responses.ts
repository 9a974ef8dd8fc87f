/** What a REST API answers by itself. Every answer has the CORS header, without which a browser hides it from the page. */

import { type IRestApi, CfnGatewayResponse, type CfnGatewayResponseProps } from "aws-cdk-lib/aws-apigateway";
import { type Construct } from "constructs";

/** The gateway responses of a REST API. An API has each of them once. */
export interface GatewayResponses {
  /**
   * The origin whose pages may call the API from a browser.
   *
   * @default "*"
   */
  readonly allowOrigin?: string;
}

export function gatewayResponses(scope: Construct, api: IRestApi, allowOrigin: string): CfnGatewayResponse[] {
  const response = (
    id: string,
    responseType: string,
    statusCode?: string,
    headers: Record<string, string> = {},
    body?: Record<string, string>,
  ) => {
    const exposed = Object.keys(headers).join(",");
    const all = {
      ...headers,
      "Access-Control-Allow-Origin": allowOrigin,
      ...(exposed && { "Access-Control-Expose-Headers": exposed }),
    };
    const parameters = Object.entries(all).map(([name, value]) => [`gatewayresponse.header.${name}`, `'${value}'`]);
    const props: CfnGatewayResponseProps = {
      restApiId: api.restApiId,
      responseType,
      statusCode,
      responseParameters: Object.fromEntries(parameters),
      responseTemplates: body && { "application/json": JSON.stringify(body) },
    };
    return new CfnGatewayResponse(scope, id, props);
  };
  const unavailable = { message: "Service Unavailable" };
  return [
    // The authorizer failed with the message `Unauthorized`: the credential is missing, wrong or expired.
    response("Unauthorized", "UNAUTHORIZED", "401", { "WWW-Authenticate": "Bearer" }, { message: "Unauthorized" }),
    // The authorizer answered Deny. `reason` is a code from a fixed list and `denialId` the Lambda request id: neither needs
    // escaping. Both are empty where API Gateway refused without the authorizer.
    response(
      "AccessDenied",
      "ACCESS_DENIED",
      "403",
      {},
      {
        message: "Forbidden",
        reason: "$context.authorizer.reason",
        denialId: "$context.authorizer.denialId",
      },
    ),
    // The authorizer failed with any other message, or did not answer: the caller may be right, so this is no 4xx. Users
    // report either type for one and the same cause, so both answer alike.
    response("AuthorizerFailure", "AUTHORIZER_FAILURE", "503", { "Retry-After": "5" }, unavailable),
    response(
      "AuthorizerConfigurationError",
      "AUTHORIZER_CONFIGURATION_ERROR",
      "503",
      { "Retry-After": "5" },
      unavailable,
    ),
    // Unknown paths, throttled callers; integrations that failed. Status and body stay API Gateway's.
    response("OtherClientErrors", "DEFAULT_4XX"),
    response("OtherServerErrors", "DEFAULT_5XX"),
  ];
}
