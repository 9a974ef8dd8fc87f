/** The rules of the configuration, by the documents whose exact problems the function's own reader tells. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Aws, Token } from "aws-cdk-lib";
import { ruleProblems } from "../src/rules";

const CASES: { name: string; document: unknown; problems: string[] }[] = JSON.parse(
  readFileSync(join(__dirname, "../../authorizer.cases.json"), "utf8"),
);

test("each document has the problems that the function tells, and no others", () => {
  assert.ok(CASES.length >= 120, `${CASES.length} cases`);
  for (const { name, document, problems } of CASES) {
    assert.deepEqual(told(document), problems, name);
  }
});

function told(document: unknown): string[] {
  return ruleProblems(document).map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
}

const TEXT = Aws.ACCOUNT_ID;
const NUMBER = Token.asNumber({ Ref: "Number" });
const LIST = Token.asList({ Ref: "List" });
const ANY: any = Token.asAny({ Ref: "Any" });

const CORP = { kind: "jwt", issuer: TEXT, audiences: ["a", TEXT], algorithms: ["RS256"], jwks: "discovery" };
const PROOFS = { server_id: TEXT, accounts: LIST, sts_regions: [TEXT], max_age: TEXT, single_use: ANY };
const BATCH = "arn:aws:iam::123456789012:role/batch";
const GRANT = {
  name: TEXT,
  routes: [TEXT],
  caller: { issuer: "corp", bound_claims: { [TEXT]: TEXT, level: NUMBER, teams: LIST, staff: ANY } },
  token: { role: TEXT, policies: LIST, ttl: TEXT, wrap_ttl: "1h", num_uses: NUMBER },
};
const proof = (arns: unknown) => ({ ...GRANT, caller: { aws_identity: true, bound_iam_principal_arns: arns } });
const TAGS = `/https:~1~1sts.amazonaws.com~1/request_tags/${TEXT}`;
const TAGGED = { ...GRANT, caller: { issuer: "acct", bound_claims: { [TAGS]: "a" } } };
const DOCUMENT = {
  vault: {
    address: `https://${TEXT}.example.com`,
    login: { method: "aws", role: TEXT, server_id: TEXT, mount: LIST[0] },
  },
  issuers: {
    acct: { kind: "aws_iam", issuer: TEXT, audiences: [TEXT], jwks: { uri: TEXT } },
    corp: CORP,
    other: { ...CORP, jwks: ANY, ca_file: "ca.pem" },
    any: ANY,
    unknown: { kind: TEXT, jwks: {} },
  },
  aws_identity: PROOFS,
  // One token twice may be two texts, where a `Lazy` makes it.
  credentials: [{ header: TEXT }, { header: TEXT }, ANY],
  limits: { caller_mints_per_second: NUMBER },
  stages: {
    prod: {
      api_ids: LIST,
      server_id: TEXT,
      grants: [GRANT, GRANT, proof([BATCH, TEXT]), proof(LIST), proof(ANY), TAGGED, ANY],
    },
    dev: { api_ids: [TEXT], grants: ANY },
    test: { api_ids: [TEXT], grants: LIST },
  },
};

test("no value is judged that only CloudFormation will know, nor what depends on it", () => {
  assert.deepEqual(told(DOCUMENT), []);
  const grants = [
    { ...GRANT, caller: { issuer: "who", any: true } },
    { ...GRANT, caller: { issuer: TEXT, any: ANY } },
  ];
  const stages = { prod: { api_ids: LIST, grants: [...grants, proof([BATCH])] }, [TEXT]: { api_ids: LIST, grants } };
  assert.deepEqual(told({ ...DOCUMENT, stages, issuers: ANY, aws_identity: ANY }), []);
  assert.deepEqual(told({ ...DOCUMENT, stages, issuers: { [TEXT]: CORP } }), []);
  assert.deepEqual(told({ ...DOCUMENT, vault: ANY, aws_identity: { ...PROOFS, accounts: [TEXT] } }), []);
});

test("that a value is there is known, and whether it is text, a number or a list", () => {
  const caller = { issuer: "corp", any: ANY, bound_subject: TEXT, bound_iam_principal_ids: LIST };
  const login = { method: "token", token: LIST, role: TEXT };
  const stages = { prod: { api_ids: [TEXT, "*"], server_id: TEXT, grants: [{ ...GRANT, caller, token: TEXT }] } };
  const vault = { address: NUMBER, client_cert_file: TEXT, login };
  assert.deepEqual(told({ vault, issuers: { corp: { ...CORP, audiences: TEXT } }, stages }), [
    "issuers.corp.audiences: must be a list",
    "stages.prod.api_ids: must not list anything besides `*`, which means any API",
    "stages.prod.grants[0].caller.any: cannot be combined with a bound",
    "stages.prod.grants[0].caller.bound_iam_principal_ids: never matches: a JWT of a `kind: jwt` issuer names no IAM principal, whatever its claims say",
    "stages.prod.grants[0].token: must be a mapping",
    "stages.prod.server_id: needs the section `aws_identity` at the top of the document",
    "vault.address: must be a string: put it in quotes",
    "vault.client_key_file: missing; `client_cert_file` has no effect without it",
    "vault.login.role: unknown key; expected one of method, token",
    "vault.login.token: must be a string",
  ]);
});
