/** The same behind an HTTP API with its default stage. */

import { App, CfnOutput, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as apigatewayv2 from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { type CfnPermission, Code } from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { VaultAuthorizer } from "../src";
import { Orders } from "./orders";
import { app, settings, stackName, stackProps, type Settings } from "./settings";

export class HttpApiExample extends Stack {
  constructor(scope: App, id: string, given: Settings) {
    super(scope, id, stackProps);
    const orders = new Orders(this, "Orders", {
      settings: given,
      name: `${id}-orders`,
      stages: { $default: "prod" },
    });

    const accessLog = new LogGroup(this, "AccessLog", {
      logGroupName: `/aws/apigateway/${id}-access`,
      retention: RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const api = new apigatewayv2.HttpApi(this, "Api", {
      apiName: id,
      createDefaultStage: false,
      // A browser's preflight carries no credential: API Gateway answers it itself.
      corsPreflight: {
        allowOrigins: [given.allowOrigin],
        allowMethods: [apigatewayv2.CorsHttpMethod.GET],
        allowHeaders: ["Authorization", "DPoP"],
      },
    });
    new apigatewayv2.HttpStage(this, "Stage", {
      httpApi: api,
      stageName: "$default",
      autoDeploy: true,
      accessLogSettings: {
        destination: new apigatewayv2.LogGroupLogDestination(accessLog),
        format: VaultAuthorizer.accessLogFormatForHttpApi,
      },
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
      answer: { response: "simple" },
      stages: {
        $default: {
          grants: [
            {
              name: "orders-prod-reader",
              routes: ["GET /orders"],
              caller: { issuer: "corp", bound_claims: { scope: ["orders:read"] } },
              token: { role: "orders-prod-reader", policies: ["orders-prod-read"], ttl: "2m", wrap_ttl: "30s" },
            },
          ],
        },
      },
    });
    const [route] = api.addRoutes({
      path: "/orders",
      methods: [apigatewayv2.HttpMethod.GET],
      integration: new HttpLambdaIntegration("Orders", orders.function),
      authorizer,
    });
    // The integration's own permission is for any stage and any method.
    const permission = route!.node.findChild("Orders-Permission") as CfnPermission;
    permission.sourceArn = api.arnForExecuteApi("GET", "/orders", "$default");

    const outputs = {
      ApiId: api.apiId,
      Url: api.apiEndpoint,
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
  new HttpApiExample(main, stackName(main, "http-example"), settings(main));
  main.synth();
}
