// A real OpenID provider, `oidc-provider`: its discovery document, its keys, and its tokens of every kind that an API is sent.
//
//   NODE_PATH=… node provider.cjs <port>
//
// Prints one line of JSON, a token by each name with the key and the certificate of the bound ones, and serves until it is stopped.

const { createHash, generateKeyPairSync, randomUUID, sign } = require("node:crypto");
const { pathToFileURL } = require("node:url");

const issuer = `http://127.0.0.1:${process.argv[2]}`;
const resource = "urn:orders-api";

const b64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

// The keys as a provider has them: one for each algorithm, RSA's for several.
const keyPair = (type, options) => generateKeyPairSync(type, options).privateKey.export({ format: "jwk" });
const keys = [
  { ...keyPair("rsa", { modulusLength: 2048 }), kid: "rsa", use: "sig" },
  { ...keyPair("ec", { namedCurve: "P-256" }), kid: "ec", use: "sig" },
  { ...keyPair("ed25519", {}), kid: "ed", use: "sig" },
];

// What each client's access tokens are signed with, and to what they are bound.
const clients = {
  rs256: { alg: "RS256" },
  es256: { alg: "ES256" },
  ed25519: { alg: "Ed25519" },
  dpop: { alg: "RS256", metadata: { dpop_bound_access_tokens: true } },
  mtls: { alg: "RS256", metadata: { tls_client_certificate_bound_access_tokens: true } },
};

// The key and the certificate of those who have bound tokens.
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const certificate = Buffer.from("the client's certificate").toString("base64");

// RFC 9449, section 4.2.
function proof() {
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: publicKey.export({ format: "jwk" }) };
  const claims = { htm: "POST", htu: `${issuer}/token`, iat: Math.floor(Date.now() / 1000), jti: randomUUID() };
  const input = `${b64(header)}.${b64(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

async function token(id) {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  if (id === "dpop") headers.DPoP = proof();
  const body = new URLSearchParams({ grant_type: "client_credentials", client_id: id, client_secret: "secret", scope: "orders:read", resource });
  const answer = await fetch(`${issuer}/token`, { method: "POST", headers, body });
  const { access_token: accessToken, ...rest } = await answer.json();
  if (!accessToken) throw new Error(`${id}: ${answer.status} ${JSON.stringify(rest)}`);
  return accessToken;
}

async function main() {
  // An ES module, which NODE_PATH does not reach.
  const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: Object.entries(clients).map(([id, { metadata }]) => ({
      client_id: id, client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
      token_endpoint_auth_method: "client_secret_post", ...metadata,
    })),
    enabledJWA: { dPoPSigningAlgValues: ["ES256"] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: () => certificate },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, _resource, client) => ({
          audience: resource, scope: "orders:read", accessTokenFormat: "jwt", jwt: { sign: { alg: clients[client.clientId].alg } },
        }),
      },
    },
  });
  await new Promise((listening) => provider.listen(Number(process.argv[2]), "127.0.0.1", listening));
  const tokens = {};
  for (const id of Object.keys(clients)) tokens[id] = await token(id);
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  const pem = `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----\n`;
  console.log(JSON.stringify({ ...tokens, key, certificate: pem }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
