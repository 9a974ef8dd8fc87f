/** What the construct makes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { App, Aws, CfnParameter, Duration, RemovalPolicy, Stack, Tags, Token } from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { HttpUrlIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { SecurityGroup, Vpc } from "aws-cdk-lib/aws-ec2";
import { ManagedPolicy, Role } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import { Architecture, Code, CodeSigningConfig, LayerVersion, Tracing } from "aws-cdk-lib/aws-lambda";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { Topic } from "aws-cdk-lib/aws-sns";
import { Match, Template } from "aws-cdk-lib/assertions";
import { LAMBDA_RECOGNIZE_LAYER_VERSION } from "aws-cdk-lib/cx-api";
import { type Grant, HttpVaultAuthorizer, VaultAuthorizer } from "../src";
import { CORP, filledIn, GRANT, httpStack, importedStack, only, props, restStack, warned } from "./stacks";

const AUTHORIZER = "orders-authorizer";
const ROLE = `${AUTHORIZER}-{AWS::Region}`;
const BOUNDARY = "arn:aws:iam::123456789012:policy/boundary";
const OTHER_GRANT: Grant = { ...GRANT, name: "other", token: { ...GRANT.token!, role: "other" } };
const functionOf = (stack: Stack) => only(stack, "AWS::Lambda::Function", { FunctionName: AUTHORIZER });

test("the authorizer of a REST API sees every call, and no answer of it is kept", () => {
  const { stack } = restStack();
  const { AuthorizerUri, RestApiId, ...settings } = only(stack, "AWS::ApiGateway::Authorizer");
  assert.deepEqual(settings, { Name: AUTHORIZER, Type: "REQUEST", AuthorizerResultTtlInSeconds: 0 });
  assert.match(
    filledIn(AuthorizerUri),
    /^arn:{AWS::Partition}:apigateway:{AWS::Region}:lambda:path\/2015-03-31\/functions\/{AuthorizerFunction.*\.Arn}\/invocations$/,
  );
});

test("a TOKEN authorizer has its header", () => {
  const { stack } = restStack({ type: "TOKEN", credentials: [{ header: "X-Token" }] });
  const { Type, IdentitySource, AuthorizerResultTtlInSeconds } = only(stack, "AWS::ApiGateway::Authorizer");
  assert.deepEqual([Type, IdentitySource, AuthorizerResultTtlInSeconds], ["TOKEN", "method.request.header.X-Token", 0]);
});

test("the authorizer of an HTTP API answers in the form it is told to", () => {
  for (const [answer, simple] of [
    [undefined, false],
    [{ response: "policy" }, false],
    [{ response: "simple" }, true],
  ] as const) {
    const { AuthorizerUri, ApiId, ...settings } = only(httpStack({ answer }).stack, "AWS::ApiGatewayV2::Authorizer");
    assert.deepEqual(settings, {
      Name: AUTHORIZER,
      AuthorizerType: "REQUEST",
      AuthorizerPayloadFormatVersion: "2.0",
      AuthorizerResultTtlInSeconds: 0,
      EnableSimpleResponses: simple,
      IdentitySource: ["$request.header.Authorization"],
    });
  }
});

test("an HTTP API has an identity source where there is one place of credentials", () => {
  for (const [credentials, source] of [
    [[{ header: "X-Token" }], ["$request.header.X-Token"]],
    [[{ query: "token" }], ["$request.querystring.token"]],
    [[{ cookie: "session" }], undefined],
    [[{ header: "Authorization" }, { query: "token" }], undefined],
  ] as const) {
    assert.deepEqual(only(httpStack({ credentials }).stack, "AWS::ApiGatewayV2::Authorizer").IdentitySource, source);
  }
});

test("a time of 0 may be written out", () => {
  assert.equal(
    only(restStack({ resultsCacheTtl: Duration.seconds(0) }).stack, "AWS::ApiGateway::Authorizer")
      .AuthorizerResultTtlInSeconds,
    0,
  );
});

test("this authorizer of this API, and nothing else, may invoke the function", () => {
  for (const { stack } of [restStack(), httpStack(), importedStack()]) {
    const { SourceArn, ...permission } = only(stack, "AWS::Lambda::Permission", {
      Principal: "apigateway.amazonaws.com",
    });
    assert.match(
      filledIn(SourceArn),
      /^arn:{AWS::Partition}:execute-api:{AWS::Region}:{AWS::AccountId}:({Api[0-9A-F]+}|a1b2c3d4e5)\/authorizers\/{Authorizer[0-9A-F]+}$/,
    );
    assert.equal(permission.Action, "lambda:InvokeFunction");
  }
});

test("methods and routes have the authorizer", () => {
  const method = only(restStack().stack, "AWS::ApiGateway::Method");
  assert.equal(method.AuthorizationType, "CUSTOM");
  assert.match(method.AuthorizerId.Ref, /^Authorizer/);

  const { stack, api, authorizer } = httpStack();
  api.addRoutes({
    path: "/orders",
    integration: authorizer.httpBackend("B", { uri: "https://orders.example.com" }),
    authorizer,
  });
  const route = only(stack, "AWS::ApiGatewayV2::Route");
  assert.equal(route.AuthorizationType, "CUSTOM");
  assert.match(route.AuthorizerId.Ref, /^Authorizer/);
});

test("an imported HTTP API takes it, too", () => {
  const stack = new Stack();
  const httpApi = http.HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: "a1b2c3d4e5" });
  const authorizer = new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api: httpApi });
  const integration = authorizer.httpBackend("Backend", { uri: "https://orders.example.com" });
  new http.HttpRoute(stack, "Route", { httpApi, routeKey: http.HttpRouteKey.with("/orders"), integration, authorizer });
  assert.equal(only(stack, "AWS::ApiGatewayV2::Authorizer").ApiId, "a1b2c3d4e5");
  assert.equal(only(stack, "AWS::ApiGatewayV2::Route").ApiId, "a1b2c3d4e5");
});

test("the function is bounded", () => {
  const bounded = functionOf(restStack().stack);
  assert.deepEqual(
    [
      bounded.Runtime,
      bounded.Handler,
      bounded.MemorySize,
      bounded.Timeout,
      bounded.ReservedConcurrentExecutions,
      bounded.Architectures,
    ],
    ["provided.al2023", "bootstrap", 256, 8, 20, ["x86_64"]],
  );
  assert.deepEqual(bounded.Code, { S3Bucket: "code", S3Key: "authorizer.zip" });
  const other = functionOf(
    restStack({
      memorySize: 512,
      timeout: Duration.seconds(9),
      reservedConcurrentExecutions: 100,
      architecture: Architecture.ARM_64,
    }).stack,
  );
  assert.deepEqual(
    [other.MemorySize, other.Timeout, other.ReservedConcurrentExecutions, other.Architectures],
    [512, 9, 100, ["arm64"]],
  );
});

/** What a role may do: each statement's effect, actions, resources and condition. */
function rightsOf(stack: Stack): [string, string[], string[], object?][] {
  const { RoleName, Path, ManagedPolicyArns, Policies } = only(stack, "AWS::IAM::Role", {
    AssumeRolePolicyDocument: { Statement: [{ Principal: { Service: "lambda.amazonaws.com" } }] },
    RoleName: Match.anyValue(),
  });
  assert.deepEqual([filledIn(RoleName), Path, ManagedPolicyArns], [ROLE, undefined, undefined]);
  assert.deepEqual(Template.fromStack(stack).findResources("AWS::IAM::Policy"), {});
  const statements = Policies.flatMap((policy: any) => policy.PolicyDocument.Statement);
  return statements.map((of: any) =>
    [of.Effect, [of.Action].flat(), [of.Resource].flat().map(filledIn), of.Condition].filter(
      (part) => part !== undefined,
    ),
  );
}

test("the role has no path, and may write its own log alone", () => {
  const rights = rightsOf(restStack().stack);
  assert.equal(rights.length, 1);
  const [effect, actions, [resource]] = rights[0]!;
  assert.deepEqual([effect, actions], ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"]]);
  assert.match(resource!, /^{AuthorizerLog[0-9A-F]+\.Arn}$/);
});

test("the log has its end, and exists before its first line", () => {
  const { stack } = restStack({ logRetention: RetentionDays.ONE_YEAR });
  const group = only(stack, "AWS::Logs::LogGroup");
  assert.deepEqual([group.LogGroupName, group.RetentionInDays], [`/aws/lambda/${AUTHORIZER}`, 365]);
  assert.match(functionOf(stack).LoggingConfig.LogGroup.Ref, /^AuthorizerLog/);
  assert.equal(only(restStack().stack, "AWS::Logs::LogGroup").RetentionInDays, 90);
});

test("a login with a JWT of AWS may ask for it, for this audience", () => {
  const login = { method: "jwt", role: "r", web_identity_audience: "vault.example.com" };
  const [, right] = rightsOf(restStack({ vault: { address: "https://vault.example.com", login } }).stack);
  assert.deepEqual(right, [
    "Allow",
    ["sts:GetWebIdentityToken"],
    ["*"],
    {
      "ForAllValues:StringEquals": { "sts:IdentityTokenAudience": "vault.example.com" },
      // Without it, a request that names no audience would pass.
      Null: { "sts:IdentityTokenAudience": "false" },
      NumericLessThanEquals: { "sts:DurationSeconds": 60 },
    },
  ]);
});

test("in a VPC, Lambda may join it, and the function's code may not", () => {
  const stack = new Stack();
  const vpc = new Vpc(stack, "Vpc");
  const group = new SecurityGroup(stack, "Group", { vpc });
  const api = http.HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: "a1b2c3d4e5" });
  new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api, vpc, securityGroups: [group] });
  const { SecurityGroupIds, SubnetIds } = functionOf(stack).VpcConfig;
  assert.deepEqual([SecurityGroupIds.length, SubnetIds.length], [1, 2]);
  const [, describe, create, change, denied] = rightsOf(stack);
  const ec2 = (account: string) => `arn:{AWS::Partition}:ec2:{AWS::Region}:${account}:`;
  assert.deepEqual(describe, ["Allow", ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"], ["*"]]);
  assert.deepEqual(create, [
    "Allow",
    ["ec2:CreateNetworkInterface"],
    [
      `${ec2("{AWS::AccountId}")}network-interface/*`,
      ...SubnetIds.map((id: object) => `${ec2("*")}subnet/${filledIn(id)}`),
      ...SecurityGroupIds.map((id: object) => `${ec2("*")}security-group/${filledIn(id)}`),
    ],
  ]);
  const changes = ["ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"];
  assert.deepEqual(change, ["Allow", changes, [`${ec2("{AWS::AccountId}")}*/*`]]);
  assert.equal(denied![0], "Deny");
  assert.deepEqual([...denied![1]].sort(), [...describe![1], ...create![1], ...change![1]].sort());
  assert.deepEqual(Object.keys(denied![3]!), ["ArnEquals"]);
  assert.equal(
    filledIn((denied![3] as any).ArnEquals["lambda:SourceFunctionArn"]),
    `arn:{AWS::Partition}:lambda:{AWS::Region}:{AWS::AccountId}:function:${AUTHORIZER}`,
  );
});

test("the role may have a path and a boundary, and Vault is bound to it without the path", () => {
  const { stack, authorizer } = restStack({
    rolePath: "/platform/apis/",
    permissionsBoundary: ManagedPolicy.fromManagedPolicyArn(new Stack(), "Boundary", BOUNDARY),
  });
  const { Path, PermissionsBoundary } = only(stack, "AWS::IAM::Role", { RoleName: Match.anyValue() });
  assert.deepEqual([Path, PermissionsBoundary], ["/platform/apis/", BOUNDARY]);
  const principal = filledIn(stack.resolve(authorizer.vaultPrincipal));
  // The role's `Ref` is its name.
  assert.match(principal, /^arn:{AWS::Partition}:iam::{AWS::AccountId}:role\/{AuthorizerRole[0-9A-F]+}$/);
  assert.match(filledIn(stack.resolve(authorizer.role.roleArn)), /^{AuthorizerRole[0-9A-F]+\.Arn}$/);
});

test("an existing role is taken as it is: nothing is attached to it", () => {
  const stack = new Stack();
  const arn = "arn:aws-cn:iam::210987654321:role/platform/apis/shared";
  const role = Role.fromRoleArn(stack, "Given", arn);
  const vpc = new Vpc(stack, "Vpc", { restrictDefaultSecurityGroup: false });
  const network = { vpc, securityGroups: [new SecurityGroup(stack, "Group", { vpc })] };
  const api = http.HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: "a1b2c3d4e5" });
  const authorizer = new VaultAuthorizer(stack, "Authorizer", {
    ...props(stack),
    ...network,
    api,
    role,
    tracing: Tracing.ACTIVE,
  });
  const { Role: taken, TracingConfig } = functionOf(stack);
  assert.deepEqual([taken, TracingConfig], [arn, { Mode: "Active" }]);
  for (const type of ["AWS::IAM::Role", "AWS::IAM::Policy"]) Template.fromStack(stack).resourceCountIs(type, 0);
  assert.equal(authorizer.vaultPrincipal, "arn:aws-cn:iam::210987654321:role/shared");
  assert.throws(() => httpStack({ role, rolePath: "/" }), /rolePath, permissionsBoundary: for the role that is made/);
});

test("the role's name holds a region that is known, and so does its bound", () => {
  const stack = new Stack(new App(), "stack", { env: { account: "123456789012", region: "eu-west-1" } });
  const api = http.HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: "a1b2c3d4e5" });
  const name = "n".repeat(54);
  new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api, name });
  assert.equal(only(stack, "AWS::IAM::Role").RoleName, `${name}-eu-west-1`);
  assert.throws(
    () => new VaultAuthorizer(stack, "Longer", { ...props(new Stack()), api, name: `${name}n` }),
    /name: must .* have at most 54/,
  );
});

test("one function serves all stages of an API", () => {
  const two = { prod: { grants: [GRANT] }, staging: { audiences: ["orders"], grants: [OTHER_GRANT] } };
  const { stack, api } = restStack({ stages: two });
  const { Variables } = functionOf(stack).Environment;
  const id = `{${stack.getLogicalId(api.node.defaultChild as any)}}`;
  assert.deepEqual(JSON.parse(filledIn(Variables.AUTHORIZER_CONFIG)).stages, {
    prod: { ...two.prod, api_ids: [id] },
    staging: { ...two.staging, api_ids: [id] },
  });
  Template.fromStack(stack).resourceCountIs("AWS::ApiGateway::Authorizer", 1);
});

test("without reserved concurrency, the consequence is a warning", () => {
  const { stack } = restStack({ reservedConcurrentExecutions: -1 });
  assert.equal(functionOf(stack).ReservedConcurrentExecutions, undefined);
  assert.deepEqual(warned(stack), [
    "reservedConcurrentExecutions: -1 reserves nothing, so nothing but the account's quota bounds what callers can demand of " +
      "Vault, and a flood of calls takes the concurrency of your other functions. Reserve some once the quota is raised",
  ]);
});

test("without a limit of environments, the consequence is a warning", () => {
  const capacityProvider = { capacityProviderArn: "arn:aws:lambda:us-east-1:123456789012:capacity-provider:busy" };
  const { stack } = restStack({ capacityProvider, memorySize: 2048 });
  assert.deepEqual(warned(stack), [
    "capacityProvider: nothing but the capacity provider bounds what callers can demand of Vault. Set " +
      "maxExecutionEnvironments",
  ]);
  assert.deepEqual(warned(restStack({ capacityProvider, memorySize: 2048, maxExecutionEnvironments: 4 }).stack), []);
});

test("instances are kept warm behind an alias, which API Gateway calls and may call", () => {
  const { stack } = restStack({ provisionedConcurrentExecutions: 5 });
  const alias = only(stack, "AWS::Lambda::Alias");
  assert.deepEqual([alias.Name, alias.ProvisionedConcurrencyConfig], ["live", { ProvisionedConcurrentExecutions: 5 }]);
  assert.match(
    filledIn(only(stack, "AWS::ApiGateway::Authorizer").AuthorizerUri),
    /{AuthorizerLive[0-9A-F]+}\/invocations$/,
  );
  assert.match(only(stack, "AWS::Lambda::Permission").FunctionName.Ref, /^AuthorizerLive/);
  assert.deepEqual(warned(stack), [], "the API's id stays as it is");
  // The alias must not go on serving a grant that was taken away.
  const version = (grants: Grant[]) =>
    Object.keys(
      Template.fromStack(restStack({ provisionedConcurrentExecutions: 5, grants }).stack).findResources(
        "AWS::Lambda::Version",
      ),
    ).join();
  assert.notEqual(version([GRANT]), version([OTHER_GRANT]));
});

test("a value that changes without a new version is a warning", () => {
  const stack = new Stack();
  const address = new CfnParameter(stack, "Vault").valueAsString;
  const api = new rest.RestApi(stack, "Api");
  const given = props(stack);
  const authorizer = new VaultAuthorizer(stack, "Authorizer", {
    ...given,
    api,
    vault: { ...given.vault, address },
    provisionedConcurrentExecutions: 2,
  });
  api.root.addMethod("GET", undefined, { authorizer });
  assert.match(warned(stack).join(), /^provisionedConcurrentExecutions: vault\.address: known to CloudFormation only/);
});

test("what the version does not follow is a warning, wherever it stands", () => {
  const warnings = (of: (stack: Stack, parameter: string) => Record<string, unknown>, context = {}) => {
    const stack = new Stack(new App({ context }));
    const parameter = new CfnParameter(stack, "Value").valueAsString;
    const api = new rest.RestApi(stack, "Api");
    const changes = { provisionedConcurrentExecutions: 2, ...of(stack, parameter) };
    const authorizer = new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api, ...changes });
    api.root.addMethod("GET", undefined, { authorizer });
    return warned(stack).join();
  };
  const imported = (stack: Stack, arn: string) => LayerVersion.fromLayerVersionArn(stack, "Layer", arn);
  for (const [place, changes] of [
    ["environment.RUST_LOG", (_: Stack, value: string) => ({ environment: { RUST_LOG: value } })],
    ["layers[0]", (stack: Stack, value: string) => ({ layers: [imported(stack, value)] })],
    ["role", (stack: Stack, value: string) => ({ role: Role.fromRoleArn(stack, "Role", value) })],
    [
      "environmentEncryption",
      (stack: Stack, value: string) => ({ environmentEncryption: Key.fromKeyArn(stack, "Key", value) }),
    ],
  ] as const) {
    const text = warnings(changes);
    assert.ok(text.startsWith(`provisionedConcurrentExecutions: ${place}: known to CloudFormation only`), text);
  }
  const written = "arn:aws:lambda:us-east-1:123456789012:layer:private-ca:3";
  assert.equal(
    warnings((stack) => ({ environment: { RUST_LOG: "warn" }, layers: [imported(stack, written)] })),
    "",
  );
  // The version follows a layer of the app, but only with the flag that new apps have.
  const made = (stack: Stack) => ({
    layers: [
      new LayerVersion(stack, "Layer", {
        code: Code.fromBucket(Bucket.fromBucketName(stack, "Layers", "code"), "layer.zip"),
      }),
    ],
  });
  assert.equal(warnings(made, { [LAMBDA_RECOGNIZE_LAYER_VERSION]: true }), "");
  assert.match(warnings(made), /^provisionedConcurrentExecutions: layers\[0\]: /);
});

test("what platform teams set reaches the function and its log", () => {
  const stack = new Stack();
  const vpc = new Vpc(stack, "Vpc");
  const key = (id: string) => Key.fromKeyArn(stack, id, `arn:aws:kms:eu-west-1:123456789012:key/${id}`);
  const signing = "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0";
  const layer = "arn:aws:lambda:eu-west-1:123456789012:layer:ca:1";
  const authorizer = new VaultAuthorizer(stack, "Authorizer", {
    ...props(stack),
    api: http.HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: "a1b2c3d4e5" }),
    vpc,
    securityGroups: [new SecurityGroup(stack, "Group", { vpc })],
    ipv6AllowedForDualStack: true,
    environment: { RUST_LOG: "warn", AUTHORIZER_CONFIG_FILE: "/opt/authorizer.yaml" },
    configurationInPackage: true,
    environmentEncryption: key("environment"),
    layers: [LayerVersion.fromLayerVersionArn(stack, "Layer", layer)],
    codeSigningConfig: CodeSigningConfig.fromCodeSigningConfigArn(stack, "Signing", signing),
    tracing: Tracing.ACTIVE,
    logEncryptionKey: key("log"),
    logRemovalPolicy: RemovalPolicy.RETAIN,
  });
  Tags.of(authorizer).add("team", "platform");
  const made = functionOf(stack);
  assert.deepEqual(made.Environment.Variables, { RUST_LOG: "warn", AUTHORIZER_CONFIG_FILE: "/opt/authorizer.yaml" });
  assert.equal(made.KmsKeyArn, "arn:aws:kms:eu-west-1:123456789012:key/environment");
  assert.deepEqual([made.Layers, made.CodeSigningConfigArn], [[layer], signing]);
  assert.deepEqual([made.TracingConfig, made.VpcConfig.Ipv6AllowedForDualStack], [{ Mode: "Active" }, true]);
  assert.equal(made.LoggingConfig.LogFormat, "Text");
  const traces = rightsOf(stack).at(-1);
  assert.deepEqual(traces, ["Allow", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"]]);
  const [log] = Object.values(Template.fromStack(stack).findResources("AWS::Logs::LogGroup")) as [any];
  assert.deepEqual([log.DeletionPolicy, log.UpdateReplacePolicy], ["Retain", "Retain"]);
  assert.equal(log.Properties.KmsKeyId, "arn:aws:kms:eu-west-1:123456789012:key/log");
  for (const tagged of [made, log.Properties, only(stack, "AWS::IAM::Role", { RoleName: Match.anyValue() })]) {
    assert.deepEqual(tagged.Tags, [{ Key: "team", Value: "platform" }]);
  }
});

test("other variables stand beside the document, and count", () => {
  const variables = functionOf(restStack({ environment: { RUST_LOG: "warn" } }).stack).Environment.Variables;
  assert.deepEqual(Object.keys(variables).sort(), ["AUTHORIZER_CONFIG", "RUST_LOG"]);
  assert.equal(variables.RUST_LOG, "warn");
  assert.throws(
    () => restStack({ environment: { LONG: "x".repeat(3800) } }),
    /the configuration has \d+ bytes, and Lambda takes 196 beside `environment`/,
  );
});

test("a REST API says what happened, and lets browsers read it", () => {
  const { stack } = restStack({ gatewayResponses: { allowOrigin: "https://shop.example.com" } });
  const responses = Object.values(Template.fromStack(stack).findResources("AWS::ApiGateway::GatewayResponse"));
  const answers = responses.map(({ Properties: its }) => {
    const header = (name: string) => its.ResponseParameters[`gatewayresponse.header.${name}`];
    assert.equal(header("Access-Control-Allow-Origin"), "'https://shop.example.com'");
    const hint = its.StatusCode === "401" ? "WWW-Authenticate" : "Retry-After";
    assert.equal(header("Access-Control-Expose-Headers"), header(hint) && `'${hint}'`);
    return [its.ResponseType, its.StatusCode, header(hint), its.ResponseTemplates?.["application/json"]];
  });
  const denied =
    '{"message":"Forbidden","reason":"$context.authorizer.reason","denialId":"$context.authorizer.denialId"}';
  const broken = '{"message":"Service Unavailable"}';
  assert.deepEqual(answers, [
    ["UNAUTHORIZED", "401", "'Bearer'", '{"message":"Unauthorized"}'],
    ["ACCESS_DENIED", "403", undefined, denied],
    ["AUTHORIZER_FAILURE", "503", "'5'", broken],
    ["AUTHORIZER_CONFIGURATION_ERROR", "503", "'5'", broken],
    ["DEFAULT_4XX", undefined, undefined, undefined],
    ["DEFAULT_5XX", undefined, undefined, undefined],
  ]);
  for (const { stack } of [restStack({ gatewayResponses: false }), httpStack()]) {
    Template.fromStack(stack).resourceCountIs("AWS::ApiGateway::GatewayResponse", 0);
  }
});

test("a 401 asks for what the issuers demand in the order of their names, and for both where that is not known yet", () => {
  const challenge = (corp: object, apps: object) => {
    const issuers = { corp: { ...CORP, binding: corp }, apps: { ...CORP, audiences: ["apps"], binding: apps } };
    const { ResponseParameters } = only(restStack({ issuers }).stack, "AWS::ApiGateway::GatewayResponse", {
      ResponseType: "UNAUTHORIZED",
    });
    return ResponseParameters["gatewayresponse.header.WWW-Authenticate"];
  };
  const dpop = (...dpop_algorithms: string[]) => ({ require: "dpop", dpop_algorithms });
  assert.equal(challenge(dpop("ES256", "RS256"), dpop("PS256", "ES256")), `'DPoP algs="PS256 ES256 RS256"'`);
  const unknown = { require: Token.asString({ Ref: "Require" }), dpop_algorithms: Token.asList({ Ref: "Algorithms" }) };
  assert.deepEqual(challenge(unknown, dpop("ES256")), {
    "Fn::Join": ["", [`'Bearer, DPoP algs="ES256 `, { "Fn::Join": [" ", { Ref: "Algorithms" }] }, `"'`]],
  });
});

test("the deployment is a snapshot of the gateway responses, and is made anew when they change", () => {
  const deployment = (changes: Record<string, unknown>) => {
    const template = Template.fromStack(restStack(changes).stack);
    const [[id, { DependsOn }] = ["", { DependsOn: [] }]] = Object.entries(
      template.findResources("AWS::ApiGateway::Deployment"),
    );
    const responses = Object.keys(template.findResources("AWS::ApiGateway::GatewayResponse"));
    const authorizers = Object.keys(template.findResources("AWS::ApiGateway::Authorizer"));
    for (const name of [...responses, ...authorizers]) assert.ok(DependsOn.includes(name), name);
    return id;
  };
  const first = deployment({});
  assert.equal(deployment({}), first);
  // New grants are live without it: the authorizer's configuration is not part of the snapshot.
  assert.equal(deployment({ limits: { caller_mints_per_second: 5 } }), first);
  const others = [
    { gatewayResponses: { allowOrigin: "https://a" } },
    { gatewayResponses: false },
    { type: "TOKEN" },
  ].map(deployment);
  assert.equal(new Set([first, ...others]).size, 4);
});

test("an API of another stack is left as it is", () => {
  const app = new App();
  const apis = new Stack(app, "apis");
  const api = new rest.RestApi(apis, "Api");
  api.root.addMethod("ANY");
  const stack = new Stack(app, "authorizer");
  new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api });
  app.synth();
  const [{ DependsOn }] = Object.values(Template.fromStack(apis).findResources("AWS::ApiGateway::Deployment")) as [any];
  assert.ok(
    DependsOn.every((name: string) => name.startsWith("Api")),
    DependsOn,
  );
  Template.fromStack(stack).resourceCountIs("AWS::ApiGateway::GatewayResponse", 6);
});

test("the deployment of an imported API can be made to come after it, and anew when a method changes", () => {
  const id = (timeout: number) => {
    const { stack, api, authorizer } = importedStack();
    const backend = authorizer.restBackend({ url: "https://orders.example.com", timeout: Duration.seconds(timeout) });
    const get = api.root.addMethod("GET", backend, { authorizer });
    authorizer.addToDeployment(new rest.Deployment(stack, "Deployment", { api }), get);
    const [[name, { DependsOn }]] = Object.entries(
      Template.fromStack(stack).findResources("AWS::ApiGateway::Deployment"),
    ) as any;
    for (const part of ["ApiGET", "AuthorizerUnauthorized", "AuthorizerPermission"]) {
      assert.ok(
        DependsOn.some((of: string) => of.startsWith(part)),
        part,
      );
    }
    return name;
  };
  assert.notEqual(id(5), id(6));
  assert.throws(() => httpStack().authorizer.addToDeployment(undefined as any), /an HTTP API has no deployment/);
});

/** Each alarm: its name, its metric with dimensions, its threshold, and its window in seconds. */
function alarmsOf(stack: Stack): string[] {
  return Object.values(Template.fromStack(stack).findResources("AWS::CloudWatch::Alarm")).map(({ Properties: its }) => {
    assert.deepEqual(
      [its.Statistic, its.ComparisonOperator, its.EvaluationPeriods],
      ["Sum", "GreaterThanThreshold", 1],
    );
    assert.ok(its.AlarmDescription);
    const dimensions = (its.Dimensions ?? []).map(({ Name, Value }: any) => `${Name}=${filledIn(Value)}`).sort();
    const metric = `${its.Namespace} ${its.MetricName} {${dimensions.join(" ")}}`;
    return `${its.AlarmName}: ${metric} > ${its.Threshold} in ${its.Period}, ${its.TreatMissingData}`;
  });
}

const ofStage = (stage: string) => [
  `${AUTHORIZER}-${stage}-faults: VaultAuthorizer Faults {Stage=${stage}} > 2 in 1800, notBreaching`,
  `${AUTHORIZER}-${stage}-vault-answer-invalid: VaultAuthorizer Faults {Code=vault_answer_invalid Stage=${stage}} > 0 in 60, notBreaching`,
  `${AUTHORIZER}-${stage}-signature-invalid: VaultAuthorizer Denied {Code=signature_invalid Stage=${stage}} > 20 in 300, notBreaching`,
  `${AUTHORIZER}-${stage}-algorithm-refused: VaultAuthorizer Denied {Code=algorithm_refused Stage=${stage}} > 20 in 300, notBreaching`,
];
const OF_FUNCTION = [
  `${AUTHORIZER}-header-reserved: VaultAuthorizer Denied {Code=header_reserved Stage=unknown} > 20 in 300, notBreaching`,
  `${AUTHORIZER}-throttles: AWS/Lambda Throttles {FunctionName=${AUTHORIZER}} > 0 in 60, notBreaching`,
  `${AUTHORIZER}-start-failures: VaultAuthorizer StartFailures-${AUTHORIZER} {} > 0 in 300, notBreaching`,
];

test("alarms for what docs/operations.md says, once for each stage and once for the function", () => {
  const ofRest = (stage: string) =>
    `${AUTHORIZER}-${stage}-api-5xx: AWS/ApiGateway 5XXError {ApiName=Api Stage=${stage}} > 2 in 1800, notBreaching`;
  const stages = { prod: { grants: [GRANT] }, staging: { grants: [OTHER_GRANT] } };
  assert.deepEqual(alarmsOf(restStack({ stages }).stack), [
    ...ofStage("prod"),
    ofRest("prod"),
    ...ofStage("staging"),
    ofRest("staging"),
    ...OF_FUNCTION,
  ]);
  const { stack, api } = httpStack({ stageName: "$default" });
  const id = stack.getLogicalId(api.node.defaultChild as any);
  assert.deepEqual(alarmsOf(stack), [
    ...ofStage("$default"),
    `${AUTHORIZER}-$default-api-5xx: AWS/ApiGateway 5xx {ApiId={${id}} Stage=$default} > 2 in 1800, notBreaching`,
    ...OF_FUNCTION,
  ]);
  assert.deepEqual(alarmsOf(restStack({ alarms: false }).stack), []);
  Template.fromStack(restStack({ alarms: false }).stack).resourceCountIs("AWS::Logs::MetricFilter", 0);
});

test("each alarm takes a threshold and a treatment of missing data", () => {
  const thresholds = {
    faults: 11,
    vaultAnswerInvalid: 12,
    signatureInvalid: 13,
    algorithmRefused: 14,
    api5xx: 15,
    headerReserved: 16,
    throttles: 17,
    startFailures: 18,
  };
  const { stack } = restStack({ alarms: { thresholds, treatMissingData: TreatMissingData.BREACHING } });
  assert.deepEqual(
    alarmsOf(stack).map((alarm) => alarm.replace(/.* > (\d+) in \d+, /, "$1 ")),
    // The metrics of the others have no data on a healthy API.
    Object.entries(thresholds).map(
      ([id, threshold]) =>
        `${threshold} ${["faults", "api5xx", "throttles"].includes(id) ? "breaching" : "notBreaching"}`,
    ),
  );
});

test("the 5xx of an imported REST API are watched by its name, or that they are not is said", () => {
  const of = (changes: Record<string, unknown>) => importedStack(changes).stack;
  const watched = (stack: Stack) => alarmsOf(stack).filter((alarm) => alarm.includes("5XXError"));
  const isNameWarning = (text: string) => text.startsWith("restApiName: is missing");
  assert.deepEqual(watched(of({})), []);
  assert.ok(warned(of({})).some(isNameWarning));
  const [alarm] = watched(of({ restApiName: "shop" }));
  assert.match(alarm!, /{ApiName=shop Stage=prod}/);
  assert.ok(!warned(of({ restApiName: "shop" })).some(isNameWarning));
  assert.ok(!warned(of({ alarms: false })).some(isNameWarning), "no alarms are wanted");

  const stack = new Stack();
  const attributes = { restApiId: "a1b2c3d4e5", rootResourceId: "root", restApiName: "named" };
  const api = rest.RestApi.fromRestApiAttributes(stack, "Api", attributes);
  new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api });
  assert.match(watched(stack)[0]!, /{ApiName=named Stage=prod}/);
});

test("a function that does not start is counted, and nothing that a caller sends is", () => {
  const filters = Object.values(Template.fromStack(restStack().stack).findResources("AWS::Logs::MetricFilter"));
  for (const { Properties: its } of filters) {
    assert.match(its.LogGroupName.Ref, /^AuthorizerLog/);
    assert.deepEqual(its.MetricTransformations, [
      { MetricNamespace: "VaultAuthorizer", MetricName: `StartFailures-${AUTHORIZER}`, MetricValue: "1" },
    ]);
  }
  const [errors, exits, ...others] = filters.map(({ Properties: its }) => its.FilterPattern);
  assert.deepEqual([errors, others], ['{ $.level = "ERROR" && $.target = "bootstrap" }', []]);
  assert.match(exits, /^%.*%$/);
  const counted = (line: string) => new RegExp(exits.slice(1, -1)).test(line);
  const id = "0a1b2c3d-0000-4000-8000-0123456789ab";
  for (const line of [
    `RequestId: ${id} Error: Runtime exited with error: exit status 1`,
    `RequestId: ${id} Error: fork/exec /var/task/bootstrap: exec format error`,
    "INIT_REPORT Init Duration: 10.04 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError",
    "INIT_REPORT Init Duration: 10000.04 ms\tPhase: init\tStatus: timeout",
    `REPORT RequestId: ${id}\tDuration: 8000.00 ms\tStatus: timeout`,
  ]) {
    assert.ok(counted(line), line);
  }
  for (const line of [
    `{"outcome":"denied","caller_id":"RequestId: ${id} Error: Runtime exited"}`,
    `REPORT RequestId: ${id}\tDuration: 3.00 ms\tStatus: error\tError Type: Unauthorized`,
    `REPORT RequestId: ${id}\tDuration: 3.00 ms`,
    `START RequestId: ${id} Version: $LATEST`,
  ]) {
    assert.ok(!counted(line), line);
  }
});

test("a dashboard is created where it is wanted, for this function and region", () => {
  Template.fromStack(restStack().stack).resourceCountIs("AWS::CloudWatch::Dashboard", 0);
  const its = only(restStack({ dashboard: true }).stack, "AWS::CloudWatch::Dashboard");
  assert.equal(filledIn(its.DashboardName), `${AUTHORIZER}-{AWS::Region}`);
  const [body, values] = its.DashboardBody["Fn::Sub"];
  assert.deepEqual(values, { region: { Ref: "AWS::Region" }, function: AUTHORIZER });
  const names = [...body.matchAll(/\$\{([^}]*)\}/g)].map(([, name]: string[]) => name);
  assert.deepEqual([...new Set(names)].sort(), Object.keys(values).sort());
  assert.ok(JSON.parse(body).widgets.length > 0);
});

test("alarms tell whom they are told to tell, also when they are over", () => {
  const stack = new Stack();
  const topic = (id: string) =>
    new SnsAction(Topic.fromTopicArn(stack, id, `arn:${Aws.PARTITION}:sns:eu-west-1:123456789012:${id}`));
  const api = http.HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: "a1b2c3d4e5" });
  new VaultAuthorizer(stack, "Authorizer", {
    ...props(stack),
    api,
    alarms: { actions: [topic("on-call")], okActions: [topic("over")] },
  });
  const all = Object.values(Template.fromStack(stack).findResources("AWS::CloudWatch::Alarm"));
  assert.equal(all.length, 8);
  for (const { Properties: its } of all) {
    assert.match(filledIn(its.AlarmActions[0]), /:on-call$/);
    assert.match(filledIn(its.OKActions[0]), /:over$/);
  }
});

test("no access log can hold a token", () => {
  const formats = [VaultAuthorizer.accessLogFormatForRestApi, VaultAuthorizer.accessLogFormatForHttpApi];
  const [ofRest, ofHttp] = formats.map((format) => Object.values(JSON.parse(format.toString())).sort());
  // One of these names appears here only after somebody has thought about what it can hold.
  const both = [
    "authorizer.error",
    "error.responseType",
    "httpMethod",
    "integration.status",
    "requestId",
    "requestTime",
    "responseLatency",
    "stage",
    "status",
  ];
  const named = (...names: string[]) => [...both, ...names].map((name) => `$context.${name}`).sort();
  assert.deepEqual(
    ofRest,
    named("authorizer.latency", "authorizer.requestId", "authorizer.status", "extendedRequestId", "resourcePath"),
  );
  assert.deepEqual(ofHttp, named("routeKey"));
});

test("an authorizer that nothing uses is a warning, whatever level uses it", () => {
  const isUnused = (stack: Stack) =>
    warned(stack).some((text) => text.startsWith("no method and no route of this app"));
  const withRoute = (add: (web: ReturnType<typeof httpStack>) => void) => {
    const web = httpStack();
    add(web);
    return web.stack;
  };
  assert.ok(isUnused(httpStack().stack));
  const integration = () => new HttpUrlIntegration("Orders", "https://example.com");
  const open = withRoute(({ api }) => api.addRoutes({ path: "/open", integration: integration() }));
  assert.ok(isUnused(open), "an open route does not use it");
  const used = withRoute(({ api, authorizer }) =>
    api.addRoutes({ path: "/orders", integration: integration(), authorizer }),
  );
  assert.ok(!isUnused(used));
  const low = withRoute(({ stack, api, authorizer: { authorizerId } }) => {
    const route = { apiId: api.apiId, routeKey: "GET /", authorizationType: "CUSTOM", authorizerId };
    new http.CfnRoute(stack, "Low", route);
  });
  assert.ok(!isUnused(low));
  assert.ok(!isUnused(restStack().stack));
});

test("a REST API that nothing deploys anew is a warning, and a method that its deployment leaves out", () => {
  const undeployed = (stack: Stack) => warned(stack).filter((text) => text.startsWith("a stage of a REST API serves"));
  assert.deepEqual(undeployed(restStack().stack), []);

  const deployed = (count: number) => {
    const { stack, api, authorizer, method } = importedStack();
    const methods = [method, api.root.addMethod("POST", undefined, { authorizer })];
    if (count > 0) {
      authorizer.addToDeployment(new rest.Deployment(stack, "Deployment", { api }), ...methods.slice(0, count));
    }
    return undeployed(stack);
  };
  assert.match(deployed(0).join(), /It leaves out imported\/Api\/Default\/.*, imported\/Api\/Default\//);
  assert.match(deployed(1).join(), /It leaves out imported\/Api\/Default\/POST\./);
  assert.deepEqual(deployed(2), []);

  // A `RestApi` of this app gives its methods to its deployments by itself.
  const own = (isDeployed: boolean) => {
    const stack = new Stack();
    const api = new rest.RestApi(stack, "Api", { deploy: false });
    const authorizer = new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api });
    api.root.addMethod("GET", undefined, { authorizer });
    if (isDeployed) authorizer.addToDeployment(new rest.Deployment(stack, "Deployment", { api }));
    return undeployed(stack);
  };
  assert.deepEqual([own(false).length, own(true).length], [1, 0]);
});

test("a SpecRestApi is refused, since its methods are those of its definition", () => {
  const stack = new Stack();
  const apiDefinition = rest.ApiDefinition.fromInline({ openapi: "3.0.1", paths: {} });
  const api = new rest.SpecRestApi(stack, "Api", { apiDefinition });
  assert.throws(
    () => new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api }),
    /1 problem:\n  api: a SpecRestApi has the authorizers and the methods of its OpenAPI definition alone/,
  );
});

test("the default authorizer of an HTTP API is made with its first route", () => {
  const stack = new Stack(new App(), "stack");
  const authorizer = new HttpVaultAuthorizer("Authorizer", props(stack));
  const api = new http.HttpApi(stack, "Api", { defaultAuthorizer: authorizer });
  assert.throws(() => authorizer.authorizer, /Authorizer: no route uses it yet/);
  for (const path of ["/orders", "/bills"]) {
    api.addRoutes({ path, integration: new HttpUrlIntegration(path.slice(1), "https://example.com") });
  }
  const made = only(stack, "AWS::ApiGatewayV2::Authorizer");
  assert.equal(filledIn(made.ApiId), `{${stack.getLogicalId(api.node.defaultChild as any)}}`);
  const routes = Object.values(Template.fromStack(stack).findResources("AWS::ApiGatewayV2::Route"));
  assert.deepEqual(
    routes.map(({ Properties: its }) => [its.AuthorizationType, filledIn(its.AuthorizerId)]),
    Array(2).fill(["CUSTOM", filledIn(stack.resolve(authorizer.authorizer.authorizerId))]),
  );
  assert.deepEqual(warned(stack), []);
  const other = new http.HttpApi(stack, "Other", { defaultAuthorizer: authorizer });
  assert.throws(
    () => other.addRoutes({ path: "/", integration: new HttpUrlIntegration("O", "https://example.com") }),
    /is of another API than/,
  );
});

test("limits that let one caller use up a grant are a warning", () => {
  const warnings = (changes: Record<string, unknown>) =>
    warned(restStack(changes).stack).filter((text) => text.startsWith("limits: one caller"));
  assert.deepEqual(warnings({}), [], "the defaults hold together");
  assert.match(warnings({ reservedConcurrentExecutions: 21 })[0] ?? "", /105 tokens a second/);
  assert.match(warnings({ limits: { caller_mints_per_second: 50 } })[0] ?? "", /1000 tokens a second/);
  assert.deepEqual(warnings({ limits: { caller_mints_per_second: 50, grant_mints_per_second: 2000 } }), []);
  const { token: _, ...rest } = GRANT;
  assert.deepEqual(warnings({ reservedConcurrentExecutions: 1000, grants: [{ ...rest, mode: "none" }] }), []);
});
