/** What stops the synthesis, and that it says where and what to do. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { App, Aws, CfnParameter, Duration, Lazy, Stack } from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { Template } from "aws-cdk-lib/assertions";
import { VaultAuthorizer, type VaultAuthorizerProps } from "../src";
import { CORP, GRANT, httpStack, importedStack, props, restStack } from "./stacks";

const VAULT = { address: "https://vault.example.com", login: { method: "aws", role: "r", server_id: "s" } };
const token = (changes: object) => [{ ...GRANT, token: { ...GRANT.token, ...changes } }];
const vault = (changes: object) => ({ vault: { ...VAULT, ...changes } });
const caller = (changes: object) => ({ grants: [{ ...GRANT, caller: { issuer: "corp", ...changes } }] });
const NARROWS = "leave the key out, or give it a value; a narrowing that is dropped opens the grant";
const ROUNDED =
  "is beyond the whole numbers that JavaScript holds exactly, so another claim would be bound: write it as text if the claim is text";

const CAPACITY = { capacityProviderArn: "arn:aws:lambda:us-east-1:123456789012:capacity-provider:busy" };
const AWS_IDENTITY = { server_id: "orders.example.com", accounts: ["123456789012"], sts_regions: ["eu-west-1"] };
const login = (changes: object) => vault({ login: { ...VAULT.login, ...changes } });
const LOOPBACK =
  "is for development, so it must be on this machine, such as `http://127.0.0.1:4566`, without a user, a path or a query";

const KNOWN =
  "api, restApiName, name, code, architecture, type, resultsCacheTtl, apiIds, configurationInPackage, timeout, memorySize, " +
  "reservedConcurrentExecutions, provisionedConcurrentExecutions, capacityProvider, perExecutionEnvironmentMaxConcurrency, " +
  "maxExecutionEnvironments, layers, codeSigningConfig, environment, environmentEncryption, " +
  "tracing, role, rolePath, permissionsBoundary, vpc, vpcSubnets, securityGroups, ipv6AllowedForDualStack, logRetention, " +
  "logEncryptionKey, logRemovalPolicy, gatewayResponses, alarms, dashboard, vault, issuers, aws_identity, credentials, answer, log, " +
  "limits, stages";

/** What is given, and each line of the refusal. */
const REFUSED: [string, Record<string, unknown>, ...string[]][] = [
  // The document: what test/rules.test.ts has no document for.
  [
    "an unknown key",
    { grants: token({ tll: "2m" }) },
    "stages.prod.grants[0].token.tll: unknown key; expected one of entity_alias, num_uses, policies, role, ttl, wrap_ttl",
  ],
  ["a missing key", { grants: token({ ttl: undefined }) }, "stages.prod.grants[0].token.ttl: missing"],
  ["null", { log: null }, "log: must be a mapping"],
  [
    "a claim that is null",
    { grants: [{ ...GRANT, caller: { issuer: "corp", bound_claims: { scope: null } } }] },
    `stages.prod.grants[0].caller.bound_claims.scope: is null: ${NARROWS}`,
  ],
  // What would be left out, or become another value, on the way into the document.
  [
    "a bound claim that would vanish beside another",
    caller({ bound_claims: { scope: ["orders:read"], tenant: undefined } }),
    `stages.prod.grants[0].caller.bound_claims.tenant: is undefined: ${NARROWS}`,
  ],
  [
    "a bound subject that would vanish beside a claim",
    caller({ bound_subject: undefined, bound_claims: { scope: ["orders:read"] } }),
    `stages.prod.grants[0].caller.bound_subject: is undefined: ${NARROWS}`,
  ],
  [
    "principals that would vanish beside ids",
    {
      aws_identity: AWS_IDENTITY,
      grants: [
        {
          ...GRANT,
          caller: {
            aws_identity: true,
            bound_iam_principal_arns: null,
            bound_iam_principal_ids: ["AROAEXAMPLE123", undefined],
          },
        },
      ],
    },
    `stages.prod.grants[0].caller.bound_iam_principal_arns: is null: ${NARROWS}`,
    `stages.prod.grants[0].caller.bound_iam_principal_ids[1]: is undefined: ${NARROWS}`,
  ],
  [
    "a stage's audiences and server id that would vanish",
    { audiences: undefined, server_id: undefined },
    `stages.prod.audiences: is undefined: ${NARROWS}`,
    `stages.prod.server_id: is undefined: ${NARROWS}`,
  ],
  [
    "a binding that would vanish from a caller, an issuer and a requirement",
    {
      ...caller({ binding: undefined, bound_subject: "alice" }),
      issuers: {
        corp: { ...CORP, binding: undefined },
        partner: { ...CORP, audiences: ["b"], binding: { require: undefined, dpop_algorithms: ["ES256"] } },
      },
    },
    `issuers.corp.binding: is undefined: ${NARROWS}`,
    `issuers.partner.binding.require: is undefined: ${NARROWS}`,
    `stages.prod.grants[0].caller.binding: is undefined: ${NARROWS}`,
  ],
  [
    "numbers that would be bound as other claims",
    caller({
      bound_claims: { id: 9007199254740993, ids: [1, -9007199254740993], level: NaN, top: [Infinity], half: [0.5] },
    }),
    `stages.prod.grants[0].caller.bound_claims.id: ${ROUNDED}`,
    `stages.prod.grants[0].caller.bound_claims.ids[1]: ${ROUNDED}`,
    "stages.prod.grants[0].caller.bound_claims.level: is no finite number, which JSON cannot hold: write it as text if the claim is text",
    "stages.prod.grants[0].caller.bound_claims.top[0]: is no finite number, which JSON cannot hold: write it as text if the claim is text",
    "stages.prod.grants[0].caller.bound_claims.half[0]: is no whole number, and no other can be compared exactly: write it as text if the claim is text",
  ],
  [
    "an endless number of uses",
    { grants: token({ num_uses: Infinity }) },
    "stages.prod.grants[0].token.num_uses: must be a whole number",
  ],
  [
    "a key of another login",
    vault({ login: { method: "token", token: "t", role: "r" } }),
    "vault.login.role: unknown key; expected one of method, token",
  ],
  [
    "an STS that is not on this machine",
    {
      ...login({ sts_endpoint: "https://sts.example.com" }),
      aws_identity: { server_id: "s", accounts: ["123456789012"], sts_endpoint: "http://127.0.0.1.example.com" },
    },
    `aws_identity.sts_endpoint: ${LOOPBACK}`,
    `vault.login.sts_endpoint: ${LOOPBACK}`,
  ],
  [
    "server ids that cannot be signed",
    { ...login({ server_id: "a b" }), aws_identity: { ...AWS_IDENTITY, server_id: "ä" }, server_id: "a b" },
    "aws_identity.server_id: must be 1 to 256 visible ASCII characters, without spaces",
    "stages.prod.server_id: must be 1 to 256 visible ASCII characters, without spaces",
    "vault.login.server_id: must be 1 to 256 visible ASCII characters, without spaces",
  ],
  [
    "a secret with a line end, and does not show it",
    vault({ login: { method: "approle", role_id: "r", secret_id: "s3cret\n" } }),
    "vault.login.secret_id: must be visible ASCII, without spaces",
  ],
  // What stands around it.
  [
    "a misspelt prop that a spread takes past the compiler",
    { stage: "prod", aws_idenity: {}, resultCacheTtl: Duration.minutes(5) },
    "stage: unknown prop: did you mean `stages`?",
    "aws_idenity: unknown prop: did you mean `aws_identity`?",
    "resultCacheTtl: unknown prop: did you mean `resultsCacheTtl`?",
  ],
  [
    "a prop that resembles none, and says nothing",
    { bound_claims: undefined },
    `bound_claims: unknown prop; expected one of ${KNOWN}`,
  ],
  [
    "a misspelt setting of the alarms",
    { alarms: { action: [] } },
    "alarms.action: unknown prop: did you mean `actions`?",
  ],
  [
    "a misspelt threshold",
    { alarms: { thresholds: { fault: 1 } } },
    "alarms.thresholds.fault: unknown prop: did you mean `faults`?",
  ],
  [
    "a cached result",
    { resultsCacheTtl: Duration.minutes(5) },
    "resultsCacheTtl: must be 0, which it is without it: a cached result hands the same wrapping token to the next call, and it is spent by then",
  ],
  ...[Duration.seconds(2), Duration.millis(3500), Duration.seconds(10)].map(
    (timeout): [string, Record<string, unknown>, string] => [
      `a timeout of ${timeout.toMilliseconds()} ms`,
      { timeout },
      "timeout: must be written out, from 3 to 9 seconds: an HTTP API waits 10 for an authorizer, and the start can take 2",
    ],
  ),
  ...[127, 10241, 256.5].map((memorySize): [string, Record<string, unknown>, string] => [
    `a memory of ${memorySize} MB`,
    { memorySize },
    "memorySize: must be from 128 to 10240 MB",
  ]),
  [
    "many at once without a capacity provider",
    { perExecutionEnvironmentMaxConcurrency: 64 },
    "perExecutionEnvironmentMaxConcurrency, maxExecutionEnvironments: need a `capacityProvider`",
  ],
  [
    "nothing at once, and no environment",
    { capacityProvider: CAPACITY, perExecutionEnvironmentMaxConcurrency: 0, maxExecutionEnvironments: 0 },
    "perExecutionEnvironmentMaxConcurrency: must be from 1 to 1600; leave it out for Lambda's own, 8 for each vCPU",
    "maxExecutionEnvironments: must be from 1 to 15000; leave it out for no limit",
  ],
  [
    "what managed instances have not",
    { capacityProvider: CAPACITY, memorySize: 1024, provisionedConcurrentExecutions: 2 },
    "memorySize: must be at least 2048 MB with `capacityProvider`",
    "vpc, provisionedConcurrentExecutions: must be left out with `capacityProvider`, which has the network and keeps its instances",
  ],
  [
    "a threshold that every period is above",
    { alarms: { thresholds: { faults: -1 } } },
    "alarms.thresholds.faults: must not be negative",
  ],
  ...[undefined, 0, -2, 1001, 1.5].map((reserved): [string, Record<string, unknown>, string] => [
    `a concurrency of ${reserved}`,
    { reservedConcurrentExecutions: reserved },
    "reservedConcurrentExecutions: must be from 1 to 1000 (20 if it is left out): it bounds what callers can demand of Vault. 0 would stop every call; -1 reserves nothing",
  ]),
  [
    "more kept warm than can run",
    { provisionedConcurrentExecutions: 21 },
    "provisionedConcurrentExecutions: must be from 1 to 20, since no more can run at once; leave it out for none",
  ],
  [
    "none kept warm, which Lambda refuses",
    { provisionedConcurrentExecutions: 0, reservedConcurrentExecutions: -1 },
    "provisionedConcurrentExecutions: must be from 1 to 1000, since no more can run at once; leave it out for none",
  ],
  [
    "another document beside this one",
    { environment: { AUTHORIZER_CONFIG: "{}", AUTHORIZER_CONFIG_FILE: "/opt/authorizer.yaml" } },
    "environment.AUTHORIZER_CONFIG: must be left out: the document is made of the other props",
    "environment.AUTHORIZER_CONFIG_FILE: needs `configurationInPackage: true`: without it the function gets the document in AUTHORIZER_CONFIG, and reads that alone",
  ],
  [
    "a role's path that is none",
    { rolePath: "platform" },
    "rolePath: must begin and end with `/`, such as `/platform/apis/`",
  ],
  [
    "a stage's name",
    { stageName: "a b" },
    'stages."a b": its name must be a stage name: 1 to 128 letters, digits, `_` and `-`, or `$default`',
  ],
  ["stages that are none", { stages: "prod" }, "stages: must be a mapping"],
  ["a stage that is none", { stages: { prod: [] } }, "stages.prod: must be a mapping"],
  [
    "a stage of another API",
    { stages: { prod: { api_ids: ["*"], grants: [GRANT] } } },
    "stages.prod.api_ids: is not a known key: a stage has the API's own id, or the prop `apiIds`",
  ],
  [
    "a misspelt narrowing of one stage among two",
    {
      stages: {
        prod: { grants: [GRANT] },
        staging: { audience: ["a"], grants: token({ role: "other" }).map((grant) => ({ ...grant, name: "other" })) },
      },
    },
    "stages.staging.audience: unknown key; expected one of api_ids, audiences, grants, server_id",
  ],
  [
    "a name whose role's would be too long",
    { name: "n".repeat(49) },
    "name: must be written out, in letters, digits, `_` and `-`, and have at most 48, so that the role's name has 64 with `-` and the region's",
  ],
  ["no API", { apiIds: [] }, "apiIds: must not be empty"],
  ["an id that is none", { apiIds: ["a b"] }, "apiIds[0]: must be an API id: 1 to 32 letters and digits"],
  [
    "security groups without a VPC",
    { securityGroups: [] },
    "vpcSubnets, securityGroups, ipv6AllowedForDualStack: only with `vpc`",
  ],
  [
    "IPv6 without a VPC",
    { ipv6AllowedForDualStack: true },
    "vpcSubnets, securityGroups, ipv6AllowedForDualStack: only with `vpc`",
  ],
];

for (const [what, changes, ...problems] of REFUSED) {
  test(`refuses ${what}`, () => {
    for (const [stack, id] of [
      [restStack, "rest"],
      [httpStack, "http"],
    ] as const) {
      const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
      assert.throws(() => stack(changes), { message: [`${id}/Authorizer: ${count}:`, ...problems].join("\n  ") });
    }
  });
}

const REFUSED_ON_REST: [string, Record<string, unknown>, string][] = [
  [
    "a simple answer",
    { answer: { response: "simple" } },
    "answer.response: `simple` is for HTTP APIs: a REST API takes policies alone. Leave it out",
  ],
  ["the default stage", { stageName: "$default" }, "stages.$default: a REST API has no stage `$default`"],
  [
    "an origin that breaks out of its quotes",
    { gatewayResponses: { allowOrigin: "https://x','y" } },
    "gatewayResponses.allowOrigin: must be an origin such as https://shop.example.com, or `*`",
  ],
  [
    "a misspelt origin, which would be every origin",
    { gatewayResponses: { allowOrigins: "https://shop.example.com" } },
    "gatewayResponses.allowOrigins: unknown prop: did you mean `allowOrigin`?",
  ],
  [
    "a TOKEN authorizer with two places",
    { type: "TOKEN", credentials: [{ header: "A" }, { header: "B" }] },
    "credentials: a TOKEN authorizer has one source, so there must be one {header: …}; REQUEST has them all",
  ],
];
for (const [what, changes, problem] of REFUSED_ON_REST) {
  test(`refuses ${what} on a REST API`, () => {
    assert.throws(() => restStack(changes), { message: `rest/Authorizer: 1 problem:\n  ${problem}` });
  });
}

test("refuses a stage whose name only CloudFormation will know", () => {
  assert.throws(() => restStack({ stageName: Aws.STACK_NAME }), /1 problem:\n  stages\.\$.*: must be written out$/);
});

test("refuses TOKEN and gateway responses on an HTTP API", () => {
  assert.throws(() => httpStack({ type: "TOKEN", gatewayResponses: {} }), {
    message:
      "http/Authorizer: 2 problems:\n  type: `TOKEN` is for REST APIs: leave it out\n  gatewayResponses: an HTTP API has none: leave it out",
  });
});

test("refuses the gateway responses a second time", () => {
  const { stack, api } = restStack();
  const second = { ...props(new Stack()), api, name: "second" };
  assert.throws(() => new VaultAuthorizer(stack, "Second", second), {
    message: /gatewayResponses: rest\/Authorizer makes them for this API already, which has each once: set `false`/,
  });
  new VaultAuthorizer(stack, "Third", { ...second, gatewayResponses: false });
  Template.fromStack(stack).resourceCountIs("AWS::ApiGateway::Authorizer", 2);
});

test("refuses the gateway responses a second time, for one API that was imported twice", () => {
  const attributes = { restApiId: "a1b2c3d4e5", rootResourceId: "root" };
  const authorize = (stack: Stack, id: string, restApiId: string, changes: object = {}) => {
    const api = rest.RestApi.fromRestApiAttributes(stack, `${id}Api`, { ...attributes, restApiId });
    const own = { ...props(new Stack()), api, name: id.toLowerCase(), ...changes };
    return new VaultAuthorizer(stack, id, own);
  };
  const { stack } = importedStack();
  const again =
    /gatewayResponses: imported\/Authorizer makes them for this API already, which has each once: set `false`/;
  assert.throws(() => authorize(stack, "Second", "a1b2c3d4e5"), again);
  authorize(stack, "Third", "a1b2c3d4e5", { gatewayResponses: false });
  authorize(stack, "Other", "zzzzzzzzzz");

  // The same parameter is the same API, too.
  const parameter = new CfnParameter(stack, "ApiId").valueAsString;
  authorize(stack, "Named", parameter);
  assert.throws(() => authorize(stack, "Renamed", parameter), /gatewayResponses: imported\/Named makes them/);

  // The id of an account and a region is of one API, whichever stack imports it; and of another one elsewhere.
  const app = new App();
  const stackIn = (id: string, region: string) => new Stack(app, id, { env: { account: "123456789012", region } });
  authorize(stackIn("one", "eu-west-1"), "Authorizer", "a1b2c3d4e5");
  assert.throws(() => authorize(stackIn("two", "eu-west-1"), "Again", "a1b2c3d4e5"), /one\/Authorizer makes them/);
  authorize(stackIn("far", "us-east-1"), "Authorizer", "a1b2c3d4e5");
});

test("refuses ids among which the API's own is not", () => {
  assert.throws(
    () => importedStack({ apiIds: ["zzzzzzzzzz"] }),
    /apiIds: the API's own id, a1b2c3d4e5, is not among them/,
  );
  importedStack({ apiIds: ["*"] });
  importedStack({ apiIds: ["zzzzzzzzzz", "a1b2c3d4e5"] });
});

test("refuses a VPC without security groups", () => {
  const stack = new Stack();
  const vpc = new Vpc(stack, "Vpc");
  assert.throws(
    () => new VaultAuthorizer(stack, "Authorizer", { ...props(stack), api: new rest.RestApi(stack, "Api"), vpc }),
    /securityGroups: needed with `vpc`/,
  );
});

test("accepts what CloudFormation will know, beside what is written out", () => {
  const stack = new Stack();
  const arn = new CfnParameter(stack, "Batch").valueAsString;
  const caller = { aws_identity: true, bound_iam_principal_arns: [arn, "arn:aws:iam::123456789012:role/batch"] };
  const api = new rest.RestApi(stack, "Api");
  // Which accounts these are, is not known, so the ARN's may be among them.
  const aws_identity = { ...AWS_IDENTITY, accounts: [Aws.ACCOUNT_ID], server_id: `${Aws.REGION}.example.com` };
  const stages = { prod: { grants: [{ ...GRANT, caller }] } };
  const whole = { ...props(stack), api, stages, aws_identity } as unknown as VaultAuthorizerProps;
  api.root.addMethod("GET", undefined, { authorizer: new VaultAuthorizer(stack, "Authorizer", whole) });
  Template.fromStack(stack);
});

test("does not judge what only CloudFormation will know", () => {
  const { stack, api, authorizer } = (() => {
    const stack = new Stack();
    const parameter = (id: string) => new CfnParameter(stack, id).valueAsString;
    const api = new rest.RestApi(stack, "Api");
    const authorizer = new VaultAuthorizer(stack, "Authorizer", {
      ...props(stack),
      api,
      vault: {
        address: parameter("Address"),
        login: { method: "aws", role: parameter("Role"), server_id: parameter("ServerId") },
      },
      stages: {
        prod: {
          grants: [{ ...GRANT, token: { ...GRANT.token!, role: parameter("TokenRole"), ttl: parameter("Ttl") } }],
        },
      },
    });
    return { stack, api, authorizer };
  })();
  api.root.addMethod("GET", undefined, { authorizer });
  assert.match(JSON.stringify(Template.fromStack(stack).toJSON()), /{"Ref":"TokenRole"}/);
});

test("refuses a bound whose value turns out to be none, once it is known", () => {
  const nothing = { produce: () => undefined as any };
  const bounds = {
    scope: ["orders:read", Lazy.string(nothing)],
    tenant: Lazy.string(nothing),
    teams: Lazy.list(nothing),
    team: Lazy.list({ produce: () => [] }),
    unit: Aws.NO_VALUE,
    site: Lazy.string({ produce: () => null as any }),
  };
  const { stack } = importedStack(caller({ bound_subject: Lazy.string(nothing), bound_claims: bounds }));
  const problems = ["scope[1]", "tenant", "teams", "team", "unit", "site"].map((key) => `bound_claims.${key}`);
  assert.throws(
    () => Template.fromStack(stack),
    (error: Error) => {
      for (const key of ["bound_subject", ...problems]) {
        assert.ok(
          error.message.includes(`stages.prod.grants[0].caller.${key}: is undefined: ${NARROWS}`),
          `${key}: ${error.message}`,
        );
      }
      return true;
    },
  );

  const known = importedStack(caller({ bound_claims: { tenant: Lazy.string({ produce: () => "blue" }) } }));
  Template.fromStack(known.stack);
});

test("refuses a number that only a big integer holds", () => {
  assert.throws(
    () => importedStack(caller({ bound_claims: { id: 9007199254740993n } })),
    /1 problem:\n  stages\.prod\.grants\[0\]\.caller\.bound_claims\.id: is a BigInt, which JSON cannot hold: write it as text/,
  );
});

test("refuses a method or a route of another API", () => {
  const { stack, authorizer } = restStack();
  const other = new rest.RestApi(stack, "Other");
  const message = /Other.* is of another API than rest\/Authorizer, which is attached to rest\/Api/;
  assert.throws(() => other.root.addMethod("GET", undefined, { authorizer }), message);

  const web = httpStack();
  const otherWeb = new http.HttpApi(web.stack, "Other");
  const route = (httpApi: http.IHttpApi, its: VaultAuthorizer) =>
    new http.HttpRoute(web.stack, `Route${httpApi.node.id}${its.node.path.length}`, {
      httpApi,
      routeKey: http.HttpRouteKey.with("/orders", http.HttpMethod.GET),
      integration: web.authorizer.httpBackend("Backend", { uri: "https://orders.example.com" }),
      authorizer: its,
    });
  assert.throws(() => route(otherWeb, web.authorizer), /is of another API than http\/Authorizer/);
  assert.throws(() => route(web.api, authorizer), /is of another API than rest\/Authorizer/);
  // The same API, imported once more, is no other.
  const again = importedStack();
  const same = rest.RestApi.fromRestApiAttributes(again.stack, "Again", {
    restApiId: "a1b2c3d4e5",
    rootResourceId: "root",
  });
  same.root.addMethod("POST", undefined, { authorizer: again.authorizer });
});

const many = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    ...GRANT,
    name: `grant-${index}`,
    // As random as text can be, and the same in every run: it does not get much smaller.
    caller: { issuer: "corp", bound_claims: { scope: [noise(index)] } },
    token: { ...GRANT.token!, role: `role-${index}` },
  }));

function noise(seed: number): string {
  let state = seed + 1;
  const letter = () => String.fromCharCode(33 + ((state = (state * 48271) % 2147483647) % 90)).replace(/["\\$]/, "x");
  return Array.from({ length: 300 }, letter).join("");
}

test("refuses a long document whose API's id is not known, and says what can be done", () => {
  assert.throws(
    () => restStack({ grants: many(12) }),
    (error: Error) => {
      assert.match(
        error.message,
        /1 problem:\n  the configuration has \d+ bytes, and Lambda takes 4000\. It cannot be compressed/,
      );
      assert.match(error.message, /known to CloudFormation only: the API's id\. Write them out/);
      for (const remedy of ["`apiIds` with the id that it has", '`apiIds: ["*"]`', "`configurationInPackage: true`"]) {
        assert.ok(error.message.includes(remedy), error.message);
      }
      return true;
    },
  );
});

test("refuses a document that is too long even when it is compressed", () => {
  assert.throws(
    () => importedStack({ grants: many(24) }),
    /the configuration has \d+ bytes, \d+ compressed, and Lambda takes 4000: put the document into the zip file as `authorizer\.yaml`/,
  );
  importedStack({ grants: many(24), configurationInPackage: true });
});
