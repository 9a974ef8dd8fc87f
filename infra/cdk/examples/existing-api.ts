/** The authorizer on one new route of a REST API that another stack made, and that has gateway responses of its own. */

import { App, Stack } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigateway";
import { Code, Function } from "aws-cdk-lib/aws-lambda";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { VaultAuthorizer } from "../src";
import { context, stackProps } from "./settings";

const NAMES = ["bucket", "authorizerKey", "restApiId", "rootResourceId", "functionName"] as const;
type Existing = Record<(typeof NAMES)[number], string>;

export class ExistingApiExample extends Stack {
  constructor(app: App, id: string, existing: Existing) {
    super(app, id, stackProps);
    const code = Code.fromBucket(Bucket.fromBucketName(this, "Code", existing.bucket), existing.authorizerKey);
    const api = apigateway.RestApi.fromRestApiAttributes(this, "Api", existing);
    const orders = Function.fromFunctionName(this, "Orders", existing.functionName);

    const authorizer = new VaultAuthorizer(this, "Authorizer", {
      api,
      stageName: "prod",
      name: "orders-authorizer",
      code,
      gatewayResponses: false,
      vault: {
        address: "https://vault.example.com:8200",
        login: { method: "aws", role: "api-authorizer", server_id: "vault.example.com" },
      },
      issuers: {
        corp: { kind: "jwt", issuer: "https://login.example.com/", audiences: ["orders-api"], algorithms: ["RS256"], jwks: "discovery" },
      },
      grants: [
        {
          name: "orders-reader",
          routes: ["GET /orders"],
          caller: { issuer: "corp", bound_claims: { scope: ["orders:read"] } },
          token: { role: "orders-prod-reader", policies: ["orders-prod-read"], ttl: "2m", wrap_ttl: "30s" },
        },
      ],
    });
    const get = api.root.addResource("orders").addMethod("GET", new apigateway.LambdaIntegration(orders), { authorizer });
    // The stage serves a new snapshot of the whole API. The old ones stay: the other stack's may be among them.
    authorizer.addToDeployment(new apigateway.Deployment(this, "Deployment", { api, stageName: "prod", retainDeployments: true }), get);
  }
}

if (require.main === module) {
  const app = new App();
  new ExistingApiExample(app, "existing-example", context(app, ...NAMES));
  app.synth();
}
