/** What stops the synthesis, and that it says where and what to do. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { App, Aws, CfnParameter, Duration, Lazy, Stack } from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { Template } from "aws-cdk-lib/assertions";
import { VaultAuthorizer, type VaultAuthorizerProps } from "../src";
import { GRANT, httpStack, importedStack, props, restStack } from "./stacks";

const VAULT = { address: "https://vault.example.com", login: { method: "aws", role: "r", server_id: "s" } };
const CORP = {
  kind: "jwt",
  issuer: "https://login.example.com/",
  audiences: ["a"],
  algorithms: ["RS256"],
  jwks: "discovery",
};
const token = (changes: object) => [{ ...GRANT, token: { ...GRANT.token, ...changes } }];
const vault = (changes: object) => ({ vault: { ...VAULT, ...changes } });
const corp = (changes: object) => ({ issuers: { corp: { ...CORP, ...changes } } });

const caller = (changes: object) => ({ grants: [{ ...GRANT, caller: { issuer: "corp", ...changes } }] });
const NARROWS = "leave the key out, or give it a value; a narrowing that is dropped opens the grant";
const ROUNDED =
  "is beyond the whole numbers that JavaScript holds exactly, so another claim would be bound: write it as text if the claim is text";

const BOUNDS = "bound_subject, bound_claims, bound_iam_principal_arns, bound_iam_principal_ids";
const AWS_IDENTITY = { server_id: "orders.example.com", accounts: ["123456789012"], sts_regions: ["eu-west-1"] };
const ACCOUNT = { kind: "aws_iam", issuer: "https://0a1b.tokens.sts.global.api.aws", audiences: ["a"] };
const REQUEST_TAG = "/https:~1~1sts.amazonaws.com~1/request_tags/team";
const proof = (changes: object, itsToken: object = {}) => ({
  aws_identity: AWS_IDENTITY,
  grants: [{ ...GRANT, caller: { aws_identity: true, ...changes }, token: { ...GRANT.token, ...itsToken } }],
});
const accountIssuer = (issuer: object, itsCaller: object = { any: true }, itsToken: object = {}) => ({
  issuers: { acct: { ...ACCOUNT, ...issuer } },
  grants: [{ ...GRANT, caller: { issuer: "acct", ...itsCaller }, token: { ...GRANT.token, ...itsToken } }],
});
const login = (changes: object) => vault({ login: { ...VAULT.login, ...changes } });
const LOOPBACK =
  "is for development: it must be on this machine (127.0.0.0/8, ::1 or localhost), written like `http://127.0.0.1:4566/`, " +
  "without a user, a path, a query or a fragment";
const HTTPS = "must be https: plain http is for a loopback host, and would show every token to the network";
const NO_PRINCIPAL =
  "must be the ARN of an IAM user or role, such as `arn:aws:iam::123456789012:role/name`: no session, no root user, no federated user";
const ROUTE =
  "must be `METHOD template`, such as `GET /orders/{id}`, `* /orders/*` or `GET $default`; or `$connect` alone. The method is " +
  "`*` or one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT; `*` may stand only as a template's last segment, no segment " +
  "may be empty, and no slash may stand at its end";

const KNOWN =
  "api, restApiName, name, code, architecture, type, resultsCacheTtl, apiIds, configurationInPackage, timeout, memorySize, " +
  "reservedConcurrentExecutions, provisionedConcurrentExecutions, layers, codeSigningConfig, environment, environmentEncryption, " +
  "tracing, role, rolePath, permissionsBoundary, vpc, vpcSubnets, securityGroups, ipv6AllowedForDualStack, logRetention, " +
  "logEncryptionKey, logRemovalPolicy, gatewayResponses, alarms, vault, issuers, aws_identity, credentials, answer, log, limits, " +
  "stages";

/** What is given, and each line of the refusal. */
const REFUSED: [string, Record<string, unknown>, ...string[]][] = [
  // The document, by its schema.
  [
    "an unknown key",
    { grants: token({ tll: "2m" }) },
    "stages.prod.grants[0].token.tll: is not a known key; known are: entity_alias, num_uses, policies, role, ttl, wrap_ttl",
  ],
  ["a missing key", { grants: token({ ttl: undefined }) }, "stages.prod.grants[0].token.ttl: is missing"],
  ["null", { log: null }, "log: must be a mapping"],
  ["a number for a text", { audiences: [7] }, "stages.prod.audiences[0]: must be text"],
  ["an empty list", { grants: [] }, "stages.prod.grants: must not be empty"],
  [
    "a span without a unit",
    { grants: token({ ttl: "120" }) },
    "stages.prod.grants[0].token.ttl: must be a whole number with a unit: `30s`, `2m`, `1h`",
  ],
  [
    "a fraction of a use",
    { grants: token({ num_uses: 2.5 }) },
    "stages.prod.grants[0].token.num_uses: must be a whole number",
  ],
  ["one use", { grants: token({ num_uses: 1 }) }, "stages.prod.grants[0].token.num_uses: must be at least 2"],
  [
    "too many mints",
    { limits: { caller_mints_per_second: 0 } },
    "limits.caller_mints_per_second: must be from 1 to 100000",
  ],
  [
    "token and mode",
    { grants: [{ ...GRANT, mode: "none" }] },
    "stages.prod.grants[0]: needs exactly one of `token`, `mode`",
  ],
  [
    "neither token nor mode",
    { grants: [{ ...GRANT, token: undefined }] },
    "stages.prod.grants[0]: needs exactly one of `token`, `mode`",
  ],
  [
    "no credentials at all",
    { issuers: undefined },
    "the configuration: needs one of `issuers`, `aws_identity`",
    "stages.prod.grants[0].caller.issuer: is not among `issuers`",
  ],
  ["an unknown kind of issuer", corp({ kind: "saml" }), "issuers.corp.kind: must be one of jwt, aws_iam"],
  ["no kind of issuer", corp({ kind: undefined }), "issuers.corp.kind: is missing"],
  [
    "an algorithm of the other kind",
    corp({ algorithms: ["HS256"] }),
    "issuers.corp.algorithms[0]: must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, Ed25519",
  ],
  [
    "keys from nowhere",
    corp({ jwks: { url: "https://x" } }),
    "issuers.corp.jwks: must be `discovery` or {file: …}, {uri: …}",
  ],
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
      aws_identity: { server_id: "orders.example.com", accounts: ["123456789012"], sts_regions: ["eu-west-1"] },
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
    "a proof that nothing verifies, and two things said of one",
    {
      issuers: {
        corp: { ...CORP, binding: { require: "dpop" } },
        b: { ...CORP, issuer: "https://b.example.com", binding: { verify: "elsewhere", require: "none" } },
      },
    },
    'issuers.corp.binding.require: must be "none"',
    "issuers.b.binding: needs exactly one of `verify`, `require`",
  ],
  [
    "an endless number of uses",
    { grants: token({ num_uses: Infinity }) },
    "stages.prod.grants[0].token.num_uses: must be a whole number",
  ],
  [
    "a place of two kinds",
    { credentials: [{ header: "A", cookie: "b" }] },
    "credentials[0]: needs exactly one of `header`, `cookie`, `query`, `websocket_protocol`",
  ],
  [
    "a scheme without a header",
    { credentials: [{ cookie: "a", scheme: "none" }] },
    "credentials[0].header: is missing: it is needed beside `scheme`",
  ],
  ["a scheme of its own", { credentials: [{ header: "A", scheme: "Basic" }] }, 'credentials[0].scheme: must be "none"'],
  [
    "an issuer's name",
    { issuers: { Corp: { ...CORP, issuer: "https://other.example.com" }, corp: CORP } },
    "issuers.Corp: must match ^[a-z0-9][a-z0-9._-]{0,63}$",
  ],
  [
    "a key of another login",
    vault({ login: { method: "token", token: "t", role: "r" } }),
    "vault.login.role: is not a known key; known are: method, token",
  ],
  [
    "half a client certificate",
    vault({ client_cert_file: "c.pem" }),
    "vault.client_key_file: is missing: it is needed beside `client_cert_file`",
  ],
  // The document, beyond its schema.
  [
    "plain http",
    vault({ address: "http://vault.example.com" }),
    "vault.address: must be https: plain http is for a loopback host, and would show every token to the network",
  ],
  [
    "http to a name that looks like loopback",
    vault({ address: "http://127.0.0.1.example.com" }),
    "vault.address: must be https: plain http is for a loopback host, and would show every token to the network",
  ],
  [
    "a wrapping token that outlives the token",
    { grants: token({ ttl: "30s", wrap_ttl: "1m" }) },
    "stages.prod.grants[0].token.wrap_ttl: must not be longer than `ttl`: the token would end while it waits to be unwrapped",
  ],
  [
    "too short",
    { grants: token({ ttl: "14s", wrap_ttl: "14s" }) },
    "stages.prod.grants[0].token.ttl: must be from 15s to 24h",
    "stages.prod.grants[0].token.wrap_ttl: must be from 15s to 24h",
  ],
  ["too long", { grants: token({ ttl: "25h" }) }, "stages.prod.grants[0].token.ttl: must be from 15s to 24h"],
  [
    "too long for a proof",
    { grants: [{ ...GRANT, caller: { aws_identity: true, any: true }, token: { ...GRANT.token, ttl: "16m" } }] },
    "stages.prod.grants[0].caller.aws_identity: needs the section `aws_identity`",
    "stages.prod.grants[0].token.ttl: must be from 15s to 15m, since the caller is an IAM identity",
  ],
  [
    "two grants with one name and role",
    { grants: [GRANT, GRANT] },
    "stages.prod.grants[1].name: two grants with one name; the other is stages.prod.grants[0].name",
    "stages.prod.grants[1].token.role: two grants with one role; the other is stages.prod.grants[0].token.role",
  ],
  [
    "an unknown issuer",
    { grants: [{ ...GRANT, caller: { issuer: "crop", any: true } }] },
    "stages.prod.grants[0].caller.issuer: is not among `issuers`",
  ],
  [
    "a caller that binds nothing",
    caller({}),
    `stages.prod.grants[0].caller: binds nothing: every caller would have this grant. Write one of ${BOUNDS}, or \`any: true\``,
  ],
  [
    "any: false, which binds nothing",
    caller({ any: false }),
    `stages.prod.grants[0].caller: binds nothing: every caller would have this grant. Write one of ${BOUNDS}, or \`any: true\``,
  ],
  [
    "any beside a bound",
    caller({ any: true, bound_subject: "batch" }),
    "stages.prod.grants[0].caller.any: cannot stand beside a bound",
  ],
  [
    "IAM bounds on an issuer that names no principal",
    caller({
      bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/r"],
      bound_iam_principal_ids: ["AROAEXAMPLE123"],
    }),
    "stages.prod.grants[0].caller.bound_iam_principal_arns: never holds: a JWT of a `kind: jwt` issuer names no IAM principal, whatever its claims say",
    "stages.prod.grants[0].caller.bound_iam_principal_ids: never holds: a JWT of a `kind: jwt` issuer names no IAM principal, whatever its claims say",
  ],
  [
    "claims of an IAM proof",
    proof({ bound_subject: "s", bound_claims: { scope: "a" } }, { entity_alias: { claim: "tenant" } }),
    "stages.prod.grants[0].caller.bound_subject: never holds: an IAM proof has no claims",
    "stages.prod.grants[0].caller.bound_claims: never holds: an IAM proof has no claims",
    "stages.prod.grants[0].token.entity_alias: never holds: an IAM proof has no claims",
  ],
  [
    "roles that GetCallerIdentity names otherwise, or nobody",
    proof({
      bound_iam_principal_arns: [
        "arn:aws:iam::123456789012:role/team/batch",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::999999999999:role/batch",
        "arn:aws:sts::123456789012:assumed-role/batch/session",
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:user/team/ann",
        "arn:aws:iam::123456789012:role/batch",
      ],
    }),
    "stages.prod.grants[0].caller.bound_iam_principal_arns[0]: never matches: GetCallerIdentity drops a role's path. Write the ARN without it",
    "stages.prod.grants[0].caller.bound_iam_principal_arns[1]: must not hold `*` or `?`: GetCallerIdentity drops a role's path, so a pattern would cover more than it says",
    "stages.prod.grants[0].caller.bound_iam_principal_arns[2]: never matches: its account is not among `aws_identity.accounts`",
    `stages.prod.grants[0].caller.bound_iam_principal_arns[3]: ${NO_PRINCIPAL}`,
    `stages.prod.grants[0].caller.bound_iam_principal_arns[4]: ${NO_PRINCIPAL}`,
  ],
  [
    "principals that AWS's JWTs do not name",
    accountIssuer(
      {},
      {
        bound_iam_principal_arns: [
          "arn:aws:iam::*:role/batch",
          "arn:aws:iam::123456789012:*",
          "arn:aws:iam::123456789012:role/batc?",
          "arn:aws:iam::123456789012:root",
          "arn:aws:iam::123456789012:role/a b*",
          "arn:aws:iam::123456789012:role/team/*",
        ],
        bound_iam_principal_ids: ["AROAEXAMPLE123"],
      },
    ),
    "stages.prod.grants[0].caller.bound_iam_principal_ids: never holds: AWS's JWTs do not carry the unique id; bind the ARN",
    "stages.prod.grants[0].caller.bound_iam_principal_arns[0]: may hold `*` only in the path and the name: `arn:aws:iam::123456789012:role/team/*`",
    "stages.prod.grants[0].caller.bound_iam_principal_arns[1]: may hold `*` only in the path and the name: `arn:aws:iam::123456789012:role/team/*`",
    "stages.prod.grants[0].caller.bound_iam_principal_arns[2]: must not hold `?`: only `*` stands for other text",
    `stages.prod.grants[0].caller.bound_iam_principal_arns[3]: ${NO_PRINCIPAL}`,
    `stages.prod.grants[0].caller.bound_iam_principal_arns[4]: ${NO_PRINCIPAL}`,
  ],
  [
    "what the caller of GetWebIdentityToken chooses",
    accountIssuer(
      { user_claim: REQUEST_TAG },
      { bound_claims: { [REQUEST_TAG]: "a" } },
      { entity_alias: { claim: REQUEST_TAG } },
    ),
    "issuers.acct.user_claim: `request_tags` are whatever the caller asked for: they name nobody",
    `stages.prod.grants[0].caller.bound_claims.${REQUEST_TAG}: \`request_tags\` are whatever the caller asked for: bind \`principal_tags\``,
    "stages.prod.grants[0].token.entity_alias.claim: `request_tags` are whatever the caller asked for: use `principal_tags`",
  ],
  [
    "routes that match nothing",
    {
      grants: [
        {
          ...GRANT,
          routes: [
            "get /a",
            "ANY /a",
            "GET /a/",
            "GET //a",
            "GET /a*",
            "GET /*/a",
            "GET a",
            "GET  /a",
            "$default",
            "GET $connect",
            "GET /ü",
          ],
        },
      ],
    },
    `stages.prod.grants[0].routes[0]: ${ROUTE}`,
    `stages.prod.grants[0].routes[1]: ${ROUTE}`,
    `stages.prod.grants[0].routes[2]: ${ROUTE}`,
    `stages.prod.grants[0].routes[3]: ${ROUTE}`,
    `stages.prod.grants[0].routes[4]: ${ROUTE}`,
    `stages.prod.grants[0].routes[5]: ${ROUTE}`,
    `stages.prod.grants[0].routes[6]: ${ROUTE}`,
    `stages.prod.grants[0].routes[7]: ${ROUTE}`,
    `stages.prod.grants[0].routes[8]: ${ROUTE}`,
    `stages.prod.grants[0].routes[9]: ${ROUTE}`,
    `stages.prod.grants[0].routes[10]: ${ROUTE}`,
  ],
  [
    "issuers whose keys anyone on the way could replace",
    {
      issuers: {
        corp: { ...CORP, issuer: "http://login.example.com" },
        other: { ...CORP, issuer: "other", jwks: { uri: "http://other.example.com/keys" } },
      },
    },
    `issuers.corp.jwks: \`discovery\` needs an \`issuer\` that can be called: it ${HTTPS}`,
    `issuers.other.jwks.uri: ${HTTPS}`,
  ],
  [
    "two issuers with one `iss` for one audience in one claim",
    {
      issuers: {
        corp: CORP,
        client: { ...CORP, audience_claim: "client_id" },
        other: CORP,
        apart: { ...CORP, audiences: ["another-api"] },
      },
    },
    "issuers.other.audiences: two issuers with one `issuer` may not share an audience in one `audience_claim`; the other is issuers.corp.audiences",
  ],
  [
    "an issuer whose callers would read like principals",
    { issuers: { corp: CORP, arn: { ...CORP, issuer: "https://other.example.com" } } },
    "issuers.arn: must not be named `arn`: a caller id would read like an IAM principal's",
  ],
  [
    "a CA for keys that are not fetched",
    corp({ jwks: { file: "jwks.json" }, ca_file: "corp-ca.pem" }),
    "issuers.corp.ca_file: is of no use: `jwks` names a file, so no keys are fetched",
  ],
  [
    "an account's issuer elsewhere",
    accountIssuer({ issuer: "https://tokens.sts.global.api.aws.example.com" }),
    "issuers.acct.issuer: must be an account's own issuer: https://….tokens.sts.global.api.aws",
  ],
  [
    "an account's keys elsewhere",
    accountIssuer({ jwks: { uri: "https://keys.example.com" } }),
    "issuers.acct.jwks.uri: must be on the issuer's own host: whoever has the keys says who every principal is",
  ],
  [
    "spans beyond their bounds",
    {
      issuers: { corp: { ...CORP, leeway: "301s", max_age: "25h" } },
      aws_identity: { ...AWS_IDENTITY, max_age: "16m" },
      grants: token({ ttl: "86401s", wrap_ttl: "86401s" }),
    },
    "issuers.corp.leeway: must be from 0s to 300s",
    "issuers.corp.max_age: must be from 1s to 24h",
    "aws_identity.max_age: must be from 1s to 15m",
    "stages.prod.grants[0].token.ttl: must be from 15s to 24h",
    "stages.prod.grants[0].token.wrap_ttl: must be from 15s to 24h",
  ],
  [
    "an STS that is not on this machine",
    {
      ...login({ sts_endpoint: "https://sts.example.com" }),
      aws_identity: { server_id: "s", accounts: ["123456789012"], sts_endpoint: "http://127.0.0.1.example.com" },
    },
    `vault.login.sts_endpoint: ${LOOPBACK}`,
    `aws_identity.sts_endpoint: ${LOOPBACK}`,
  ],
  [
    "an STS for a JWT that lies in a file",
    vault({ login: { method: "jwt", role: "r", jwt_file: "vault.jwt", sts_region: "eu-west-1" } }),
    "vault.login.sts_region: is for `web_identity_audience`: nobody asks STS for what is in a file",
  ],
  [
    "regions that would be parts of another host",
    { ...login({ sts_region: "eu-west-1.example.com" }), aws_identity: { ...AWS_IDENTITY, sts_regions: ["global"] } },
    "vault.login.sts_region: an AWS region is written like `eu-west-1`",
    "aws_identity.sts_regions[0]: an AWS region is written like `eu-west-1`",
  ],
  [
    "a Vault address with a user",
    vault({ address: "https://ann:secret@vault.example.com" }),
    "vault.address: must not contain a user or a password",
  ],
  [
    "a Vault address with a query",
    vault({ address: "https://vault.example.com?a=b" }),
    "vault.address: must not contain a query",
  ],
  [
    "a Vault address with a fragment",
    vault({ address: "https://vault.example.com/#a" }),
    "vault.address: must not contain a fragment",
  ],
  [
    "a Vault address with a port that is none",
    vault({ address: "https://vault.example.com:99999" }),
    "vault.address: must be an absolute URL with a host",
  ],
  [
    "a Vault address with a space",
    vault({ address: "https://vault.example.com /v1" }),
    "vault.address: must be visible ASCII, an internationalised host in its `xn--` form",
  ],
  [
    "a namespace that is none",
    vault({ namespace: "/" }),
    "vault.namespace: must be a path of visible ASCII characters, such as `platform/team1`",
  ],
  [
    "server ids that cannot be signed",
    { ...login({ server_id: "a b" }), aws_identity: { ...AWS_IDENTITY, server_id: "ä" }, server_id: "a b" },
    "vault.login.server_id: must be visible ASCII, without spaces",
    "aws_identity.server_id: must be visible ASCII, without spaces",
    "stages.prod.server_id: must be visible ASCII, without spaces",
  ],
  [
    "a stage's server id without proofs",
    { server_id: "orders.example.com" },
    "stages.prod.server_id: needs the section `aws_identity`",
  ],
  [
    "a secret with a line end, and does not show it",
    vault({ login: { method: "approle", role_id: "r", secret_id: "s3cret\n" } }),
    "vault.login.secret_id: must be visible ASCII, without spaces",
  ],
  [
    "a token that no Vault gives, and does not show it",
    vault({ login: { method: "token", token: "hvs.s3cret " } }),
    "vault.login.token: must be visible ASCII, without spaces",
  ],
  [
    "roles that climb",
    { ...login({ role: "a..b" }), grants: token({ role: "a..b" }) },
    "vault.login.role: must be a Vault role's name, without `..`",
    "stages.prod.grants[0].token.role: must be a Vault role's name, without `..`",
  ],
  [
    "the policy of all power",
    { grants: token({ policies: ["root"] }) },
    "stages.prod.grants[0].token.policies[0]: must not be `root`, which may do everything",
  ],
  [
    "headers that only the authorizer may set",
    { credentials: [{ header: "X-Vault-Token" }, { header: "x_vault_context_grant" }] },
    "credentials[0].header: must be a header's name that does not start with `x-vault-`, which only the authorizer may set",
    "credentials[1].header: must be a header's name that does not start with `x-vault-`, which only the authorizer may set",
  ],
  [
    "one place twice",
    { credentials: [{ header: "Authorization" }, { header: "authorization" }] },
    "credentials[1].header: one place twice; the other is credentials[0].header",
  ],
  [
    "a stage whose audience no token can name",
    { ...corp({ audience_claim: "azp" }), audiences: ["b"] },
    "stages.prod.audiences: no token of issuer `corp` can be for this stage: its `azp` names one audience, and none of the issuer's `audiences` is among these",
  ],
  // What stands around it.
  [
    "a misspelt prop that a spread takes past the compiler",
    { stage: "prod", aws_idenity: {}, resultCacheTtl: Duration.minutes(5) },
    "stage: is not a known prop: did you mean `stages`?",
    "aws_idenity: is not a known prop: did you mean `aws_identity`?",
    "resultCacheTtl: is not a known prop: did you mean `resultsCacheTtl`?",
  ],
  [
    "a prop that resembles none, and says nothing",
    { bound_claims: undefined },
    `bound_claims: is not a known prop; known are: ${KNOWN}`,
  ],
  [
    "a misspelt setting of the alarms",
    { alarms: { action: [] } },
    "alarms.action: is not a known prop: did you mean `actions`?",
  ],
  [
    "a misspelt threshold",
    { alarms: { thresholds: { fault: 1 } } },
    "alarms.thresholds.fault: is not a known prop: did you mean `faults`?",
  ],
  [
    "a cached result",
    { resultsCacheTtl: Duration.minutes(5) },
    "resultsCacheTtl: must be 0, which it is without it: a cached result hands the same wrapping token to the next call, and it is spent by then",
  ],
  [
    "a function that outlives the call",
    { timeout: Duration.seconds(10) },
    "timeout: must be written out and below 10 seconds, which is what an HTTP API gives an authorizer: 8 seconds leave room",
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
    "stages.a b: a stage's name must be written out, in letters, digits, `_` and `-`, or `$default`",
  ],
  ["no stages", { stages: {} }, "stages: must not be empty"],
  ["stages that are none", { stages: "prod" }, "stages: must be a mapping"],
  ["a stage that is none", { stages: { prod: [] } }, "stages.prod: must be a mapping"],
  [
    "a stage of another API",
    { stages: { prod: { api_ids: ["*"], grants: [GRANT] } } },
    "stages.prod.api_ids: is not a known key: a stage has the API's own id, or the prop `apiIds`",
  ],
  [
    "one grant in two stages, whose role could not be of both",
    { stages: { prod: { grants: [GRANT] }, staging: { grants: [GRANT] } } },
    "stages.staging.grants[0].name: two grants with one name; the other is stages.prod.grants[0].name",
    "stages.staging.grants[0].token.role: two grants with one role; the other is stages.prod.grants[0].token.role",
  ],
  [
    "a misspelt narrowing of one stage among two",
    {
      stages: {
        prod: { grants: [GRANT] },
        staging: { audience: ["a"], grants: token({ role: "other" }).map((grant) => ({ ...grant, name: "other" })) },
      },
    },
    "stages.staging.audience: is not a known key; known are: api_ids, audiences, grants, server_id",
  ],
  [
    "a name whose role's would be too long",
    { name: "n".repeat(50) },
    "name: must be written out, in letters, digits, `_` and `-`, and have at most 49, so that the role's name has 64 with `-` and the region's",
  ],
  ["no API", { apiIds: [] }, "apiIds: must not be empty"],
  ["an id that is none", { apiIds: ["a b"] }, "apiIds[0]: must match ^(\\*|[A-Za-z0-9]{1,32})$"],
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
    "gatewayResponses.allowOrigins: is not a known prop: did you mean `allowOrigin`?",
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
  const given = proof({ bound_iam_principal_arns: [arn, "arn:aws:iam::123456789012:role/batch"] });
  const api = new rest.RestApi(stack, "Api");
  // Which accounts these are, is not known, so the ARN's may be among them.
  const aws_identity = { ...AWS_IDENTITY, accounts: [Aws.ACCOUNT_ID], server_id: `${Aws.REGION}.example.com` };
  const stages = { prod: { grants: given.grants } };
  const whole = { ...props(stack), api, stages, aws_identity } as unknown as VaultAuthorizerProps;
  api.root.addMethod("GET", undefined, { authorizer: new VaultAuthorizer(stack, "Authorizer", whole) });
  Template.fromStack(stack);
});

test("accepts http to a loopback host", () => {
  for (const address of ["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"])
    restStack(vault({ address }));
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
