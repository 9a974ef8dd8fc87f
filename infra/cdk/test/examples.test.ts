/** The examples: what they make, and that cdk-nag has nothing to say that is not answered here. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { App, type Stack, Validations } from "aws-cdk-lib";
import { type HttpApi, HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpUrlIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { Template } from "aws-cdk-lib/assertions";
import { AwsSolutionsChecks } from "cdk-nag";
import { type IConstruct } from "constructs";
import { ExistingApiExample } from "../examples/existing-api";
import { HttpApiExample } from "../examples/http-api";
import { MutualTlsExample } from "../examples/mutual-tls";
import { RestApiExample } from "../examples/rest-api";
import type { Settings } from "../examples/settings";
import { filledIn, warned } from "./stacks";

// No hash of a zip file is among these, so that the templates are the same everywhere.
const SETTINGS: Settings = {
  bucket: "code",
  authorizerKey: "authorizer.zip",
  ordersKey: "orders.zip",
  vaultAddress: "https://vault.example.com:8200",
  serverId: "vault.example.com",
  issuer: "https://login.example.com/",
  audience: "orders-api",
  stsRegion: "us-east-1",
  allowOrigin: "https://shop.example.com",
};

const EXAMPLES: Record<string, (app: App) => Stack> = {
  "rest-example": (app) => new RestApiExample(app, "rest-example", SETTINGS),
  "http-example": (app) => new HttpApiExample(app, "http-example", SETTINGS),
  "existing-example": (app) =>
    new ExistingApiExample(app, "existing-example", {
      ...SETTINGS,
      restApiId: "a1b2c3d4e5",
      restApiName: "shop",
      rootResourceId: "f6g7h8i9j0",
      functionName: "orders",
    }),
  "mutual-tls-example": (app) =>
    new MutualTlsExample(app, "mutual-tls-example", {
      ...SETTINGS,
      backendUrl: "https://orders.example.com/orders",
      domainName: "api.example.com",
      certificateArn: "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-0123456789ab",
      truststoreUri: "s3://trust/clients/ca.pem",
      truststoreVersion: "3",
    }),
};

for (const [name, make] of Object.entries(EXAMPLES)) {
  test(`${name}: the template is the one that was reviewed`, () => {
    const file = join(__dirname, "snapshots", `${name}.template.json`);
    const text = `${JSON.stringify(Template.fromStack(make(new App())).toJSON(), null, 1)}\n`;
    if (process.env.UPDATE_SNAPSHOTS) writeFileSync(file, text);
    assert.equal(text, readFileSync(file, "utf8"), "UPDATE_SNAPSHOTS=1 npm test writes it anew: read what has changed");
  });
}

/** What cdk-nag finds and is as it should be: the construct, the rule, and why. */
const ACCEPTED: Record<string, [string, string, string][]> = {
  "rest-example": [
    ["Api", "APIG2", "The sample function takes no input: there is nothing to validate"],
    [
      "Api/DeploymentStage.prod",
      "APIG3",
      "A web ACL is the account's own matter; the reserved concurrency bounds what callers cost",
    ],
    ["Api/DeploymentStage.prod", "APIG6", "The execution log can hold the wrapping token. The access log is on"],
    ["Staging", "APIG3", "As for prod"],
    ["Staging", "APIG6", "As for prod"],
    [
      "Api/Default/orders/GET",
      "COG4",
      "The authorizer verifies the caller: any configured issuer's JWT, not Cognito's alone",
    ],
  ],
  "http-example": [],
  "mutual-tls-example": [
    ["Api", "APIG2", "The container validates what it is sent"],
    ["Api/DeploymentStage.prod", "APIG1", "Left out to be short: rest-example has an access log"],
    ["Api/DeploymentStage.prod", "APIG3", "As for rest-example"],
    ["Api/DeploymentStage.prod", "APIG6", "As for rest-example"],
    ["Api/Default/orders/GET", "COG4", "As for rest-example"],
  ],
  "existing-example": [
    [
      "Api/Default/orders/GET",
      "COG4",
      "The authorizer verifies the caller: any configured issuer's JWT, not Cognito's alone",
    ],
  ],
};

/** The authorizer's, and one for each stage that may call the sample function. */
const PERMISSIONS: Record<string, number> = {
  "rest-example": 3,
  "http-example": 2,
  "existing-example": 2,
  "mutual-tls-example": 1,
};

const folder = mkdtempSync(join(tmpdir(), "vault-authorizer-cdk-"));
after(() => rmSync(folder, { recursive: true }));

for (const [name, make] of Object.entries(EXAMPLES)) {
  test(`${name}: nothing is warned of, and each permission is for exactly one route or authorizer`, () => {
    const stack = make(new App());
    assert.deepEqual(warned(stack), []);
    const permissions = Object.values(Template.fromStack(stack).findResources("AWS::Lambda::Permission"));
    assert.equal(permissions.length, PERMISSIONS[name]);
    for (const { Properties } of permissions) {
      assert.match(
        filledIn(Properties.SourceArn),
        /^arn:{AWS::Partition}:execute-api:{AWS::Region}:{AWS::AccountId}:[^/*]+\/(authorizers\/[^/*]+|[^/*]+\/GET\/orders)$/,
      );
    }
  });

  test(`${name}: cdk-nag finds what is accepted here, and nothing else`, () => {
    const { violations, suppressed } = findings(make, ACCEPTED[name]!);
    assert.deepEqual(violations, []);
    assert.deepEqual(
      suppressed,
      ACCEPTED[name]!.map(([path, rule]) => `AwsSolutions-${rule} ${name}/${path}/Resource`).sort(),
    );
  });
}

test("cdk-nag looks at HTTP APIs, too", () => {
  const withAnOpenRoute = (app: App) => {
    const stack = new HttpApiExample(app, "http-example", SETTINGS);
    const integration = new HttpUrlIntegration("Open", "https://example.com");
    (stack.node.findChild("Api") as HttpApi).addRoutes({ path: "/open", methods: [HttpMethod.GET], integration });
    return stack;
  };
  assert.deepEqual(findings(withAnOpenRoute, []).violations, [
    "AwsSolutions-APIG4 http-example/Api/GET--open/Resource",
  ]);
});

/** Errors and warnings alike. */
function findings(make: (app: App) => Stack, accepted: [string, string, string][]) {
  const outdir = mkdtempSync(join(folder, "app-"));
  const app = new App({ outdir });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const stack = make(app);
  for (const [path, rule, reason] of accepted) {
    const construct = path.split("/").reduce<IConstruct>((within, id) => within.node.findChild(id), stack);
    Validations.of(construct).acknowledge({ id: `AwsSolutions::AwsSolutions-${rule}`, reason });
  }
  try {
    app.synth();
  } catch (error) {
    if (!(error instanceof Error && error.name === "ValidationFailed")) throw error;
  }
  const reports: any[] = JSON.parse(readFileSync(join(outdir, "validation-report.json"), "utf8")).pluginReports;
  const named = (list: any[] = []) =>
    list.flatMap((of) => of.violatingConstructs.map((at: any) => `${of.ruleName} ${at.constructPath}`)).sort();
  return {
    violations: named(reports.flatMap((report) => report.violations)),
    suppressed: named(reports.flatMap((report) => report.suppressedViolations ?? [])),
  };
}
