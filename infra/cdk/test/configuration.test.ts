/** The document that reaches the function, and what the package holds it against. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type Configuration, type Grant } from "../src";
import { filledIn, GRANT, httpStack, importedStack, only, restStack } from "./stacks";
import { type Stack } from "aws-cdk-lib";

const variables = (stack: Stack) =>
  only(stack, "AWS::Lambda::Function", { Handler: "bootstrap" }).Environment?.Variables;
const passed = (stack: Stack): string => filledIn(variables(stack).AUTHORIZER_CONFIG);

test("what is made of the schema is not stale", async () => {
  const { generated } = await import("../generate.mjs");
  for (const [name, text] of Object.entries(await generated())) {
    assert.equal(readFileSync(join(__dirname, "..", name), "utf8"), text, `${name}: npm run generate`);
  }
});

/** Every key that the schema knows, but the stage's api_ids; of what is one of several, the first. */
const EVERY_KEY: Omit<Configuration, "stages"> & { audiences: string[]; server_id: string; grants: Grant[] } = {
  vault: {
    address: "https://vault.example.com:8200",
    namespace: "platform/team1",
    ca_file: "vault-ca.pem",
    client_cert_file: "client.pem",
    client_key_file: "client.key",
    login: {
      method: "aws",
      mount: "aws-prod",
      role: "api-authorizer",
      server_id: "vault.example.com",
      sts_region: "eu-west-1",
      sts_endpoint: "http://127.0.0.1:4566",
    },
  },
  issuers: {
    corp: {
      kind: "jwt",
      issuer: "https://login.example.com/",
      audiences: ["orders-api", "orders-api-prod"],
      audience_claim: "client_id",
      algorithms: ["RS256", "EdDSA"],
      types: ["JWT", "at+jwt"],
      jwks: { uri: "https://login.example.com/keys" },
      ca_file: "corp-ca.pem",
      leeway: "30s",
      max_age: "1h",
      user_claim: "/user/name",
      binding: { require: "any", public_urls: ["https://api.example.com/v1"], dpop_algorithms: ["ES256", "Ed25519"] },
    },
    aws: {
      kind: "aws_iam",
      issuer: "https://0a1b.tokens.sts.global.api.aws",
      audiences: ["orders-api-prod"],
      audience_claim: "aud",
      algorithms: ["ES384"],
      types: ["JWT"],
      jwks: "discovery",
      leeway: "10s",
      max_age: "5m",
      user_claim: "sub",
      binding: { verify: "elsewhere" },
    },
  },
  aws_identity: {
    server_id: "orders.example.com",
    accounts: ["123456789012"],
    sts_regions: ["eu-west-1"],
    max_age: "60s",
    single_use: true,
  },
  credentials: [
    { header: "Authorization" },
    { header: "X-Jwt", scheme: "none" },
    { header: "X-Other", scheme: "none" },
    { cookie: "session" },
    { query: "token" },
    { websocket_protocol: "bearer" },
  ],
  answer: { response: "policy", unauthorized: "deny" },
  log: { caller_id: "hash" },
  limits: { caller_mints_per_second: 5, grant_mints_per_second: 20 },
  audiences: ["orders-api-prod"],
  server_id: "orders-prod.example.com",
  grants: [
    {
      name: "orders-team",
      routes: ["* /orders/*"],
      caller: {
        issuer: "corp",
        bound_subject: 'batch "quoted" \\ ünï ${not a token}',
        bound_claims: { "/realm_access/roles": ["writer", 3, true], level: 3, empty: false, team: "orders-*" },
        bound_claims_type: "glob",
        binding: "dpop",
      },
      token: {
        role: "orders-team",
        policies: ["orders-write"],
        ttl: "5m",
        wrap_ttl: "30s",
        num_uses: 10,
        entity_alias: { claim: "tenant" },
      },
    },
    {
      name: "batch",
      routes: ["POST /reports"],
      caller: {
        aws_identity: true,
        bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/batch"],
        bound_iam_principal_ids: ["AROAEXAMPLE123"],
      },
      token: { role: "batch", policies: ["batch"], ttl: "10m", wrap_ttl: "60s" },
      mint_ahead: true,
    },
    { name: "status", mode: "none", routes: ["GET /status"], caller: { issuer: "corp", any: true } },
  ],
};

const asDocument = (parts: typeof EVERY_KEY, stage: string, apiId: string) => {
  const { audiences, server_id, grants, ...document } = parts;
  return { ...document, stages: { [stage]: { api_ids: [apiId], audiences, server_id, grants } } };
};

test("every key reaches the function as it was given", () => {
  const { stack, api } = restStack(EVERY_KEY);
  const document = JSON.parse(passed(stack));
  assert.deepEqual(document, asDocument(EVERY_KEY, "prod", `{${stack.getLogicalId(api.node.defaultChild as any)}}`));

  const imported = importedStack(EVERY_KEY);
  const known = asDocument(EVERY_KEY, "prod", "a1b2c3d4e5");
  assert.deepEqual(JSON.parse(passed(imported.stack)), known);
  assert.deepEqual(imported.authorizer.configuration, known);
});

test("the document of all keys has all keys", () => {
  const schema = JSON.parse(readFileSync(join(__dirname, "../../authorizer.schema.json"), "utf8"));
  const known = new Set<string>();
  (function collect(part: any): void {
    if (typeof part !== "object" || part === null) return;
    if (part.properties && !part.properties.method) Object.keys(part.properties).forEach((key) => known.add(key));
    Object.values(part).forEach(collect);
  })(schema);
  const given = new Set<string>();
  (function collect(part: any): void {
    if (typeof part !== "object" || part === null) return;
    if (!Array.isArray(part)) Object.keys(part).forEach((key) => given.add(key));
    Object.values(part).forEach(collect);
  })(asDocument(EVERY_KEY, "prod", "a"));
  // Of a key set's two places, one is given.
  assert.deepEqual(
    [...known].filter((key) => !given.has(key)),
    ["file"],
  );
});

test("each login can be written", () => {
  for (const login of [
    { method: "jwt", role: "r", jwt_file: "/tmp/vault.jwt" },
    { method: "jwt", role: "r", web_identity_audience: "vault.example.com", sts_region: "eu-west-1" },
    { method: "approle", role_id: "id", secret_id_file: "/tmp/secret" },
    { method: "token", token: "t" },
  ]) {
    const { stack } = importedStack({ vault: { address: "https://vault.example.com", login } });
    assert.deepEqual(JSON.parse(passed(stack)).vault.login, login);
  }
});

test("keys that were not given are not there, and nothing stands beside the document", () => {
  const { stack } = restStack({ log: undefined, grants: [{ ...GRANT, mode: undefined }] });
  assert.deepEqual(Object.keys(variables(stack)), ["AUTHORIZER_CONFIG"]);
  const text = passed(stack);
  assert.deepEqual(Object.keys(JSON.parse(text)), ["vault", "issuers", "stages"]);
  assert.deepEqual(JSON.parse(text).stages.prod.grants, [GRANT]);
  assert.equal(text, JSON.stringify(JSON.parse(text)), "compact");
});

test("the default stage has its own name in the document", () => {
  const { stack } = httpStack({ stageName: "$default" });
  assert.deepEqual(Object.keys(JSON.parse(passed(stack)).stages), ["$default"]);
});

test("ids that are given take the place of the API's", () => {
  const { stack } = restStack({ apiIds: ["*"] });
  assert.deepEqual(JSON.parse(passed(stack)).stages.prod.api_ids, ["*"]);
  assert.equal(typeof variables(stack).AUTHORIZER_CONFIG, "string", "nothing is left for CloudFormation to fill in");
});

const grants = (count: number): Grant[] =>
  Array.from({ length: count }, (_, index) => ({
    ...GRANT,
    name: `grant-${index}`,
    token: { ...GRANT.token!, role: `role-${index}` },
  }));

test("a document above 4000 bytes is compressed, and to the same bytes everywhere", () => {
  const { stack, authorizer } = importedStack({ grants: grants(60) });
  const value: string = variables(stack).AUTHORIZER_CONFIG;
  assert.ok(value.startsWith("base64gzip:") && value.length <= 4000, value);
  const bytes = Buffer.from(value.replace("base64gzip:", ""), "base64");
  assert.deepEqual(JSON.parse(gunzipSync(bytes).toString()), authorizer.configuration);
  assert.deepEqual(
    [...bytes.subarray(0, 8), bytes[9]],
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 255],
    "no time, and no operating system",
  );
  assert.equal(variables(importedStack({ grants: grants(60) }).stack).AUTHORIZER_CONFIG, value);
});

test("up to 4000 bytes, not more, the document is passed as it is", () => {
  const length = (subject: string) =>
    passed(importedStack({ grants: [{ ...GRANT, caller: { issuer: "corp", bound_subject: subject } }] }).stack);
  const room = 4000 - Buffer.byteLength(length("x")) + 1;
  assert.equal(Buffer.byteLength(length("x".repeat(room))), 4000);
  assert.match(length("x".repeat(room + 1)), /^base64gzip:/);
  assert.match(length("ü".repeat(room / 2 + 1)), /^base64gzip:/, "bytes count, not characters");
  // An id that is not known has ten characters, like the known one.
  const subject = (size: number) => ({
    grants: [{ ...GRANT, caller: { issuer: "corp", bound_subject: "x".repeat(size) } }],
  });
  restStack(subject(room));
  assert.throws(() => restStack(subject(room + 1)), /the configuration has 4001 bytes/);
});

test("a document in the package is not passed", () => {
  const { stack, authorizer } = restStack({ configurationInPackage: true });
  assert.equal(variables(stack), undefined);
  assert.deepEqual(stack.resolve(authorizer.configuration).stages.prod.grants, [GRANT]);
  assert.match(filledIn(stack.resolve(authorizer.configurationJson)), /"grants":\[{"name":"orders-reader"/);
});
