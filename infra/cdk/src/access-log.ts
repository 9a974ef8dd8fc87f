/**
 * One line for each call. A variable that is named is printed as it is: none here is one of the authorizer's context, which has
 * the wrapping token, nor the path, which can carry what callers put there.
 */

const REST_API = {
  requestId: "$context.requestId",
  extendedRequestId: "$context.extendedRequestId",
  requestTime: "$context.requestTime",
  stage: "$context.stage",
  method: "$context.httpMethod",
  route: "$context.resourcePath",
  status: "$context.status",
  responseType: "$context.error.responseType",
  authorizerRequestId: "$context.authorizer.requestId",
  authorizerStatus: "$context.authorizer.status",
  authorizerError: "$context.authorizer.error",
  authorizerLatency: "$context.authorizer.latency",
  integrationStatus: "$context.integration.status",
  responseLatency: "$context.responseLatency",
};

const HTTP_API = {
  requestId: "$context.requestId",
  requestTime: "$context.requestTime",
  stage: "$context.stage",
  method: "$context.httpMethod",
  route: "$context.routeKey",
  status: "$context.status",
  responseType: "$context.error.responseType",
  authorizerError: "$context.authorizer.error",
  integrationStatus: "$context.integration.status",
  responseLatency: "$context.responseLatency",
};

export const REST_API_FORMAT = JSON.stringify(REST_API);
export const HTTP_API_FORMAT = JSON.stringify(HTTP_API);
