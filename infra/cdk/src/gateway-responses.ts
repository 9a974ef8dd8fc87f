/** What a REST API answers by itself. Every answer has the CORS header, without which a browser hides it from the page. */

import { Fn, Token } from "aws-cdk-lib";
import { type IRestApi, CfnGatewayResponse, type CfnGatewayResponseProps } from "aws-cdk-lib/aws-apigateway";
import { type Construct } from "constructs";
import type { Issuer } from "./configuration";

/** The gateway responses of a REST API. An API has each of them once. */
export interface GatewayResponses {
  /**
   * The origin whose pages may call the API from a browser.
   *
   * @default "*"
   */
  readonly allowOrigin?: string;
}

/** RFC 9449, section 7.1: `DPoP` with its algorithms where an issuer demands it, and `Bearer` unless every issuer does. */
function challengeOf(issuers: Readonly<Record<string, Issuer>>): string {
  const bindings = Object.keys(issuers)
    .sort()
    .map((name) => issuers[name]?.binding ?? {});
  // What only CloudFormation will know can be either.
  const demands = bindings.filter(({ require = "none" }) => !["none", "mtls"].includes(require));
  const algorithms = demands.flatMap(({ dpop_algorithms: own = DPOP_ALGORITHMS }) =>
    Token.isUnresolved(own) ? [Fn.join(" ", own)] : own,
  );
  const all = bindings.length > 0 && bindings.every(({ require }) => require === "dpop");
  return [
    ...(all ? [] : ["Bearer"]),
    ...(algorithms.length > 0 ? [`DPoP algs="${[...new Set(algorithms)].join(" ")}"`] : []),
  ].join(", ");
}

const DPOP_ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256"];

export function gatewayResponses(
  scope: Construct,
  api: IRestApi,
  allowOrigin: string,
  issuers: Readonly<Record<string, Issuer>>,
): CfnGatewayResponse[] {
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
    response(
      "Unauthorized",
      "UNAUTHORIZED",
      "401",
      { "WWW-Authenticate": challengeOf(issuers) },
      { message: "Unauthorized" },
    ),
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
