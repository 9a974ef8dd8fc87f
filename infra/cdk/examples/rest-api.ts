/**
 * A REST API with two stages, `prod` and `staging`, whose one authorizer turns each caller's JWT into one wrapped Vault token, and
 * a function behind it that reads one secret with it. Vault is set up by infra/vault/quickstart.sh.
 */

import { App, CfnOutput, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigateway";
import { ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Code } from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { VaultAuthorizer } from "../src";
import { Orders } from "./orders";
import { app, settings, stackName, stackProps, type Settings } from "./settings";

export class RestApiExample extends Stack {
  constructor(scope: App, id: string, given: Settings) {
    super(scope, id, stackProps);
    const orders = new Orders(this, "Orders", {
      settings: given,
      name: `${id}-orders`,
      stages: { prod: "prod", staging: "staging" },
    });

    const accessLog = new LogGroup(this, "AccessLog", {
      logGroupName: `/aws/apigateway/${id}-access`,
      retention: RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const stageOptions = {
      accessLogDestination: new apigateway.LogGroupLogDestination(accessLog),
      accessLogFormat: VaultAuthorizer.accessLogFormatForRestApi,
      // Data trace writes the wrapping token into the execution log. It stays off, and so does that log.
      dataTraceEnabled: false,
      loggingLevel: apigateway.MethodLoggingLevel.OFF,
      metricsEnabled: true,
    };
    const api = new apigateway.RestApi(this, "Api", {
      restApiName: id,
      endpointConfiguration: { types: [apigateway.EndpointType.REGIONAL] },
      // API Gateway writes logs with one role of the account and region: `aws apigateway get-account`.
      cloudWatchRole: false,
      deployOptions: { stageName: "prod", ...stageOptions },
    });
    const staging = new apigateway.Stage(this, "Staging", {
      stageName: "staging",
      deployment: api.latestDeployment!,
      ...stageOptions,
    });

    const authorizer = new VaultAuthorizer(this, "Authorizer", {
      api,
      name: `${id}-authorizer`,
      code: Code.fromBucket(Bucket.fromBucketName(this, "Code", given.bucket), given.authorizerKey),
      vault: {
        address: given.vaultAddress,
        login: {
          method: "aws",
          role: "api-authorizer",
          server_id: given.serverId,
          sts_region: given.stsRegion,
          sts_endpoint: given.stsEndpoint,
        },
      },
      issuers: {
        corp: {
          kind: "jwt",
          issuer: given.issuer,
          audiences: [given.audience],
          algorithms: ["RS256"],
          jwks: "discovery",
        },
      },
      stages: {
        prod: {
          grants: [
            {
              name: "orders-prod-reader",
              routes: ["GET /orders"],
              caller: { issuer: "corp", bound_claims: { scope: ["orders:read"] } },
              token: { role: "orders-prod-reader", policies: ["orders-prod-read"], ttl: "2m", wrap_ttl: "30s" },
            },
          ],
        },
        staging: {
          grants: [
            {
              name: "orders-staging-reader",
              routes: ["GET /orders"],
              caller: { issuer: "corp", bound_claims: { scope: ["orders:read"] } },
              token: { role: "orders-staging-reader", policies: ["orders-staging-read"], ttl: "10m", wrap_ttl: "60s" },
            },
          ],
        },
      },
      gatewayResponses: { allowOrigin: given.allowOrigin },
    });

    const resource = api.root.addResource("orders");
    const integration = new apigateway.LambdaIntegration(orders.function, { allowTestInvoke: false });
    resource.addMethod("GET", integration, { authorizer });
    // The integration's own permission is for the stage `prod`.
    orders.function.addPermission("Staging", {
      principal: new ServicePrincipal("apigateway.amazonaws.com"),
      sourceArn: api.arnForExecuteApi("GET", "/orders", "staging"),
    });
    // A browser's preflight carries no credential: API Gateway answers it itself.
    resource.addCorsPreflight({
      allowOrigins: [given.allowOrigin],
      allowMethods: ["GET", "OPTIONS"],
      allowHeaders: ["Authorization", "DPoP"],
    });

    const outputs = {
      ApiId: api.restApiId,
      ProdUrl: api.urlForPath("/").slice(0, -1),
      StagingUrl: staging.urlForPath("/").slice(0, -1),
      AuthorizerRoleArn: authorizer.role.roleArn,
      VaultPrincipal: authorizer.vaultPrincipal,
      AuthorizerFunctionName: authorizer.function.functionName,
      AuthorizerId: authorizer.authorizerId,
      AuthorizerLogGroup: authorizer.logGroup.logGroupName,
      OrdersFunctionName: orders.function.functionName,
      OrdersLogGroup: orders.log.logGroupName,
      AccessLogGroup: accessLog.logGroupName,
      Configuration: authorizer.configurationJson,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }
}

if (require.main === module) {
  const main = app();
  new RestApiExample(main, stackName(main, "rest-example"), settings(main));
  main.synth();
}
