/** The authorizer on one new route of a REST API that another stack made, and that has gateway responses of its own. */

import { App, CfnOutput, Stack } from "aws-cdk-lib";
import { Deployment, LambdaIntegration, RestApi } from "aws-cdk-lib/aws-apigateway";
import { CfnPermission, Code, Function } from "aws-cdk-lib/aws-lambda";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { type IConstruct } from "constructs";
import { VaultAuthorizer } from "../src";
import { app, context, neighbours, stackName, stackProps, type Neighbours } from "./settings";

const NAMES = ["restApiId", "restApiName", "rootResourceId", "functionName"] as const;
type Existing = Neighbours & Record<(typeof NAMES)[number], string>;

export class ExistingApiExample extends Stack {
  constructor(scope: App, id: string, existing: Existing) {
    super(scope, id, stackProps);
    const code = Code.fromBucket(Bucket.fromBucketName(this, "Code", existing.bucket), existing.authorizerKey);
    const api = RestApi.fromRestApiAttributes(this, "Api", existing);
    const orders = Function.fromFunctionName(this, "Orders", existing.functionName);

    const authorizer = new VaultAuthorizer(this, "Authorizer", {
      api,
      name: `${id}-authorizer`,
      code,
      gatewayResponses: false,
      vault: {
        address: existing.vaultAddress,
        login: {
          method: "aws",
          role: "api-authorizer",
          server_id: existing.serverId,
          sts_region: existing.stsRegion,
          sts_endpoint: existing.stsEndpoint,
        },
      },
      issuers: {
        corp: {
          kind: "jwt",
          issuer: existing.issuer,
          audiences: [existing.audience],
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
      },
    });
    const integration = new LambdaIntegration(orders, { allowTestInvoke: false });
    const get = api.root.addResource("orders").addMethod("GET", integration, { authorizer });
    // The integration's own permission is for any stage.
    const isPermission = (part: IConstruct) => part instanceof CfnPermission;
    const permission = get.node.findAll().find(isPermission) as CfnPermission;
    permission.sourceArn = api.arnForExecuteApi("GET", "/orders", "prod");
    // The stage serves a new snapshot of the whole API. The old ones stay: the other stack's is among them.
    const deployment = new Deployment(this, "Deployment", { api, stageName: "prod", retainDeployments: true });
    authorizer.addToDeployment(deployment, get);

    new CfnOutput(this, "AuthorizerFunctionName", { value: authorizer.function.functionName });
    new CfnOutput(this, "AuthorizerRoleArn", { value: authorizer.role.roleArn });
    new CfnOutput(this, "VaultPrincipal", { value: authorizer.vaultPrincipal });
    new CfnOutput(this, "Configuration", { value: authorizer.configurationJson });
  }
}

if (require.main === module) {
  const main = app();
  new ExistingApiExample(main, stackName(main, "existing-example"), {
    ...neighbours(main),
    ...context(main, ...NAMES),
  });
  main.synth();
}
