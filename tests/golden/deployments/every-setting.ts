/**
 * A stack for each case of the context `cases`: an authorizer with the settings that the case names, and with their values here.
 * `{"memory": ["memorySize"]}` makes a stack `memory`, whose construct has `memorySize: 512`. A case can also be props themselves.
 */

import { readFileSync } from "node:fs";
import { App, BootstraplessSynthesizer, CfnOutput, Duration, RemovalPolicy, Stack, Tags } from "aws-cdk-lib";
import { RestApi } from "aws-cdk-lib/aws-apigateway";
import { HttpApi } from "aws-cdk-lib/aws-apigatewayv2";
import { type IAlarmAction, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SecurityGroup, Subnet, Vpc } from "aws-cdk-lib/aws-ec2";
import { ManagedPolicy, Role } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { VaultAuthorizer } from "../src";

type Props = Record<string, unknown>;

const account = "arn:aws:iam::123456789012:";
const here = "us-east-1:123456789012:";
const subnets = ["subnet-0a", "subnet-0b"];
const action = (arn: string): IAlarmAction => ({ bind: () => ({ alarmActionArn: arn }) });
const vpc = (stack: Stack) =>
  Vpc.fromVpcAttributes(stack, "Vpc", {
    vpcId: "vpc-0a",
    availabilityZones: ["us-east-1a", "us-east-1b"],
    privateSubnetIds: subnets,
  });

/** What each setting is set to, and what it needs. A dot leads into a prop. */
const values: Record<string, (stack: Stack) => Props> = {
  architecture: () => ({ architecture: lambda.Architecture.ARM_64 }),
  memorySize: () => ({ memorySize: 512 }),
  timeout: () => ({ timeout: Duration.seconds(5) }),
  reservedConcurrentExecutions: () => ({ reservedConcurrentExecutions: 7 }),
  provisionedConcurrentExecutions: () => ({ provisionedConcurrentExecutions: 2 }),
  capacityProvider: (stack) => ({
    capacityProvider: lambda.CapacityProvider.fromCapacityProviderArn(
      stack,
      "Capacity",
      `arn:aws:lambda:${here}capacity-provider:busy`,
    ),
  }),
  perExecutionEnvironmentMaxConcurrency: () => ({ perExecutionEnvironmentMaxConcurrency: 64 }),
  maxExecutionEnvironments: () => ({ maxExecutionEnvironments: 3 }),
  layers: (stack) => ({
    layers: [
      lambda.LayerVersion.fromLayerVersionArn(stack, "Layer", `arn:aws:lambda:${here}layer:private-ca:3`),
    ],
  }),
  codeSigningConfig: (stack) => ({
    codeSigningConfig: lambda.CodeSigningConfig.fromCodeSigningConfigArn(
      stack,
      "Signing",
      `arn:aws:lambda:${here}code-signing-config:csc-0123456789abcdef0`,
    ),
  }),
  environment: () => ({
    environment: { RUST_LOG: "warn", AUTHORIZER_CONFIG_FILE: "/opt/authorizer.yaml" },
    configurationInPackage: true,
  }),
  environmentEncryption: (stack) => ({
    environmentEncryption: Key.fromKeyArn(
      stack,
      "Key",
      `arn:aws:kms:${here}key/0a1b2c3d-0000-4000-8000-0123456789ab`,
    ),
  }),
  tracing: () => ({ tracing: lambda.Tracing.ACTIVE }),
  role: (stack) => ({ role: Role.fromRoleArn(stack, "Role", `${account}role/platform/apis/shared`) }),
  rolePath: () => ({ rolePath: "/platform/apis/" }),
  permissionsBoundary: (stack) => ({
    permissionsBoundary: ManagedPolicy.fromManagedPolicyArn(stack, "Boundary", `${account}policy/boundary`),
  }),
  vpc: (stack) => ({ vpc: vpc(stack) }),
  vpcSubnets: (stack) => ({
    vpcSubnets: { subnets: subnets.map((id) => Subnet.fromSubnetId(stack, id, id)) },
  }),
  securityGroups: (stack) => ({
    securityGroups: [SecurityGroup.fromSecurityGroupId(stack, "Group", "sg-0a")],
  }),
  ipv6AllowedForDualStack: (stack) => ({
    ipv6AllowedForDualStack: true,
    vpc: vpc(stack),
    securityGroups: [SecurityGroup.fromSecurityGroupId(stack, "Group", "sg-0a")],
  }),
  logRetention: () => ({ logRetention: RetentionDays.ONE_YEAR }),
  logEncryptionKey: (stack) => ({
    logEncryptionKey: Key.fromKeyArn(
      stack,
      "LogKey",
      `arn:aws:kms:${here}key/9f8e7d6c-0000-4000-8000-0123456789ab`,
    ),
  }),
  logRemovalPolicy: () => ({ logRemovalPolicy: RemovalPolicy.RETAIN }),
  // Both CA bundles are in every case's document. For the challenge of a 401, there is challenges.json.
  vault: () => ({}),
  issuers: () => ({}),
  alarms: () => ({ alarms: false }),
  "alarms.actions": () => ({ alarms: { actions: [action("arn:aws:sns:us-east-1:123456789012:alarms")] } }),
  "alarms.okActions": () => ({ alarms: { okActions: [action("arn:aws:sns:us-east-1:123456789012:over")] } }),
  "alarms.treatMissingData": () => ({ alarms: { treatMissingData: TreatMissingData.BREACHING } }),
  // In the order of the page's table.
  "alarms.thresholds": () => ({
    alarms: {
      thresholds: {
        faults: 71,
        vaultAnswerInvalid: 72,
        signatureInvalid: 73,
        algorithmRefused: 74,
        api5xx: 75,
        headerReserved: 76,
        throttles: 77,
        startFailures: 78,
      },
    },
  }),
  dashboard: () => ({ dashboard: true }),
  // No settings of the construct: what the other tests need.
  minusOne: () => ({ reservedConcurrentExecutions: -1 }),
  "Tags.of": () => ({}),
  passThrough: () => ({ tracing: lambda.Tracing.PASS_THROUGH }),
};

/** A number for a prop, which the construct may refuse: `timeout=2`. */
function numbered(setting: string): Props | undefined {
  const [name, number] = setting.split("=");
  if (name === undefined || number === undefined) return undefined;
  if (name === "faults") return { alarms: { thresholds: { faults: Number(number) } } };
  // No `Duration` is negative.
  if (name === "timeout") return { timeout: Duration.seconds(Math.max(0, Number(number))) };
  return { [name]: Number(number) };
}

const app = new App();
const { cases, document } = JSON.parse(readFileSync(app.node.getContext("fixture"), "utf8"));
for (const [id, given] of Object.entries<string[] | Props>(cases)) {
  const [names, itself] = Array.isArray(given) ? [given, {}] : [[], given];
  const stack = new Stack(app, id, { synthesizer: new BootstraplessSynthesizer() });
  const props: Props = names.reduce((all, name) => ({ ...all, ...(numbered(name) ?? values[name]!(stack)) }), {});
  const api =
    id === "http"
      ? HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: "a1b2c3d4e5" })
      : RestApi.fromRestApiAttributes(stack, "Api", { restApiId: "a1b2c3d4e5", rootResourceId: "f6g7h8i9j0" });
  const settings = {
    api,
    name: "orders-authorizer",
    ...(id === "http" ? {} : { restApiName: "orders" }),
    code: lambda.Code.fromBucket(Bucket.fromBucketName(stack, "Code", "code"), "authorizer-1.zip"),
    ...document,
    ...props,
    ...itself,
  };
  if (names.some((name) => name.includes("="))) {
    try {
      new VaultAuthorizer(stack, "Authorizer", settings);
    } catch (refusal) {
      new CfnOutput(stack, "Refused", { value: String(refusal) });
    }
    continue;
  }
  const authorizer = new VaultAuthorizer(stack, "Authorizer", settings);
  if (names.includes("Tags.of")) Tags.of(authorizer).add("team", "platform");
}
app.synth();
