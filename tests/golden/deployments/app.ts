/** The authorizer of an HTTP API that is there, configured by the parts of a document: the file in FIXTURE. */

import { readFileSync } from "node:fs";
import { App, BootstraplessSynthesizer, Stack } from "aws-cdk-lib";
import { HttpApi } from "aws-cdk-lib/aws-apigatewayv2";
import { Code } from "aws-cdk-lib/aws-lambda";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { VaultAuthorizer } from "../src";

const app = new App();
const given = (name: string): string => app.node.getContext(name);
const parts = JSON.parse(readFileSync(given("fixture"), "utf8"));

const stack = new Stack(app, "by-cdk", { synthesizer: new BootstraplessSynthesizer() });
new VaultAuthorizer(stack, "Authorizer", {
  api: HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: given("api") }),
  name: "by-cdk",
  code: Code.fromBucket(Bucket.fromBucketName(stack, "Code", given("bucket")), given("key")),
  dashboard: true,
  ...parts,
});
app.synth();
