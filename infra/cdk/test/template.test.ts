/** What the construct makes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { App, Aws, Duration, Stack } from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { SecurityGroup, Vpc } from "aws-cdk-lib/aws-ec2";
import { Architecture } from "aws-cdk-lib/aws-lambda";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import { Topic } from "aws-cdk-lib/aws-sns";
import { Annotations, Match, Template } from "aws-cdk-lib/assertions";
import { VaultAuthorizer } from "../src";
import { filledIn, GRANT, httpStack, importedStack, only, props, restStack } from "./stacks";

const AUTHORIZER = "orders-authorizer-prod";
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

/** What a role may do: each statement's effect, actions and resource. */
function rightsOf(stack: Stack): [string, string[], string, object?][] {
  const { RoleName, Path, ManagedPolicyArns, Policies } = only(stack, "AWS::IAM::Role", { RoleName: AUTHORIZER });
  assert.deepEqual([RoleName, Path, ManagedPolicyArns], [AUTHORIZER, undefined, undefined]);
  assert.deepEqual(Template.fromStack(stack).findResources("AWS::IAM::Policy"), {});
  const statements = Policies.flatMap((policy: any) => policy.PolicyDocument.Statement);
  return statements.map((of: any) =>
    [of.Effect, [of.Action].flat(), filledIn(of.Resource), of.Condition].filter((part) => part !== undefined),
  );
}

test("the role has no path, and may write its own log alone", () => {
  const rights = rightsOf(restStack().stack);
  assert.equal(rights.length, 1);
  const [effect, actions, resource] = rights[0]!;
  assert.deepEqual([effect, actions], ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"]]);
  assert.match(resource, /^{AuthorizerLog[0-9A-F]+\.Arn}$/);
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
    "*",
    {
      "ForAllValues:StringEquals": { "sts:IdentityTokenAudience": "vault.example.com" },
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
  const [, allowed, denied] = rightsOf(stack);
  assert.deepEqual([allowed![0], denied![0]], ["Allow", "Deny"]);
  assert.deepEqual(denied![1], allowed![1]);
  assert.ok(allowed![1].every((action) => action.startsWith("ec2:")));
  assert.deepEqual(Object.keys(denied![3]!), ["ArnEquals"]);
  assert.equal(
    filledIn((denied![3] as any).ArnEquals["lambda:SourceFunctionArn"]),
    `arn:{AWS::Partition}:lambda:{AWS::Region}:{AWS::AccountId}:function:${AUTHORIZER}`,
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

test("the deployment is a snapshot of the gateway responses, and is made anew when they change", () => {
  const deployment = (changes: object) => {
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

test("alarms for what docs/operations.md says", () => {
  const alarmsOf = (changes: object) =>
    Object.values(Template.fromStack(restStack(changes).stack).findResources("AWS::CloudWatch::Alarm")).map(
      ({ Properties: its }) => {
        assert.deepEqual(
          [its.Statistic, its.ComparisonOperator, its.TreatMissingData],
          ["Sum", "GreaterThanThreshold", "notBreaching"],
        );
        assert.ok(its.AlarmName.startsWith(`${AUTHORIZER}-`) && its.AlarmDescription);
        const dimensions = its.Dimensions.map(({ Name, Value }: any) => `${Name}=${Value.Ref ? "the function" : Value}`)
          .sort()
          .join(" ");
        return [its.Namespace, its.MetricName, dimensions, its.Threshold, its.EvaluationPeriods * its.Period].join(
          ", ",
        );
      },
    );
  assert.deepEqual(alarmsOf({}), [
    "VaultAuthorizer, Faults, Stage=prod, 0, 180",
    "VaultAuthorizer, Faults, Code=vault_answer_invalid Stage=prod, 0, 60",
    "VaultAuthorizer, Denied, Code=signature_invalid Stage=prod, 20, 300",
    "VaultAuthorizer, Denied, Code=algorithm_refused Stage=prod, 20, 300",
    "VaultAuthorizer, Denied, Code=header_reserved Stage=unknown, 20, 300",
    "AWS/Lambda, Throttles, FunctionName=the function, 0, 60",
  ]);
  const others = alarmsOf({ alarms: { faultMinutes: 10, forgeries: 1, smuggledHeaders: 2, throttles: 3 } });
  assert.deepEqual(
    others.map((alarm) => alarm.split(", ").slice(3).join()),
    ["0,600", "0,60", "1,300", "1,300", "2,300", "3,60"],
  );
  assert.deepEqual(alarmsOf({ alarms: false }), []);
});

test("alarms tell whom they are told to tell", () => {
  const stack = new Stack();
  const topic = Topic.fromTopicArn(stack, "Topic", `arn:${Aws.PARTITION}:sns:eu-west-1:123456789012:on-call`);
  const api = http.HttpApi.fromHttpApiAttributes(stack, "Api", { httpApiId: "a1b2c3d4e5" });
  new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api, alarms: { actions: [new SnsAction(topic)] } });
  for (const { Properties } of Object.values(Template.fromStack(stack).findResources("AWS::CloudWatch::Alarm"))) {
    assert.match(filledIn(Properties.AlarmActions[0]), /:on-call$/);
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

test("limits that let one caller use up a grant are a warning", () => {
  const warnings = (changes: object) =>
    Annotations.fromStack(restStack(changes).stack)
      .findWarning("*", Match.stringLikeRegexp("caller-over-grant"))
      .map((warning) => String(warning.entry.data));
  assert.deepEqual(warnings({}), [], "the defaults hold together");
  assert.match(warnings({ reservedConcurrentExecutions: 21 })[0] ?? "", /105 tokens a second/);
  assert.match(warnings({ limits: { caller_mints_per_second: 50 } })[0] ?? "", /1000 tokens a second/);
  assert.deepEqual(warnings({ limits: { caller_mints_per_second: 50, grant_mints_per_second: 2000 } }), []);
  const { token: _, ...rest } = GRANT;
  assert.deepEqual(warnings({ reservedConcurrentExecutions: 1000, grants: [{ ...rest, mode: "none" }] }), []);
});
