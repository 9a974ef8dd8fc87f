// An authorizer as the documentation of aws-jwt-verify and of node-vault has it: verifies the JWT, mints a wrapped token, answers.

const { readFileSync } = require("node:fs");
const { JwtVerifier } = require("aws-jwt-verify");
const vaultClient = require("node-vault");

const { ISSUER, JWKS_FILE, VAULT_ADDR, VAULT_TOKEN } = process.env;
const verifier = JwtVerifier.create({ issuer: ISSUER, audience: "orders-api", jwksUri: `${ISSUER}/jwks.json` });
verifier.cacheJwks(JSON.parse(readFileSync(JWKS_FILE, "utf8")));
const vault = vaultClient({ apiVersion: "v1", endpoint: VAULT_ADDR, token: VAULT_TOKEN });

exports.handler = async (event) => {
  let claims;
  try {
    claims = await verifier.verify(event.headers.Authorization.split(" ")[1]);
  } catch {
    throw new Error("Unauthorized");
  }
  if (!(claims.scope ?? "").split(" ").includes("orders:read")) {
    return policy(claims.sub, "Deny", event.methodArn, { reason: "no_grant" });
  }
  const minted = await vault.write(
    "auth/token/create/orders-prod-reader",
    { ttl: "120s", meta: { caller_id: claims.sub } },
    { headers: { "X-Vault-Wrap-TTL": "30s" } },
  );
  const { token, wrapped_accessor } = minted.wrap_info;
  const context = { vaultWrappingToken: token, vaultWrappedAccessor: wrapped_accessor };
  return policy(claims.sub, "Allow", event.methodArn, context);
};

function policy(principalId, effect, arn, context) {
  const statement = { Action: "execute-api:Invoke", Effect: effect, Resource: arn };
  return { principalId, policyDocument: { Version: "2012-10-17", Statement: [statement] }, context };
}
