// A real OpenID provider, `oidc-provider`: its discovery document, its keys, and its tokens of every kind that an API is sent.
//
//   NODE_PATH=… node provider.cjs <port>
//
// Prints one line of JSON and serves until it is stopped. The line has the tokens that each client gets for itself (`clients`) and for
// a user (`users`), that user's ID tokens (`ids`), and the key and the certificate of the bound ones.

const { execFileSync } = require("node:child_process");
const { createHash, generateKeyPairSync, randomBytes, randomUUID, sign } = require("node:crypto");
const { pathToFileURL } = require("node:url");

const issuer = `http://127.0.0.1:${process.argv[2]}`;
const endpoint = `${issuer}/token`;
const resource = "urn:orders-api";
const scope = "orders:read";
const redirect = "https://client.example.com/callback";

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
const selfSigned = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=orders", "-days", "1"];
const certificate = execFileSync("openssl", selfSigned, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

// RFC 9449, section 4.2.
function proof() {
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: publicKey.export({ format: "jwk" }) };
  const claims = { htm: "POST", htu: endpoint, iat: Math.floor(Date.now() / 1000), jti: randomUUID() };
  const input = `${b64(header)}.${b64(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

async function tokens(id, grant) {
  const headers = { authorization: `Basic ${btoa(`${id}:secret`)}` };
  if (id === "dpop") headers.DPoP = proof();
  const answer = await fetch(endpoint, { method: "POST", headers, body: new URLSearchParams({ ...grant, resource }) });
  const body = await answer.json();
  if (!body.access_token) throw new Error(`${id}: ${answer.status} ${JSON.stringify(body)}`);
  return body;
}

// The authorization code flow (RFC 6749, section 4.1) with PKCE (RFC 7636), as a browser walks it.
async function usersTokens(id) {
  const verifier = randomBytes(32).toString("base64url");
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const query = new URLSearchParams({
    client_id: id, response_type: "code", redirect_uri: redirect, scope: `openid ${scope}`, resource,
    code_challenge: challenge, code_challenge_method: "S256",
  });
  const cookies = new Map();
  let url = `${issuer}/auth?${query}`;
  while (!url.startsWith(redirect)) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, { redirect: "manual", headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) cookies.set(...set.split(";")[0].split(/=(.*)/));
    if (!answer.headers.has("location")) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    url = new URL(answer.headers.get("location"), issuer).href;
  }
  const code = new URL(url).searchParams.get("code");
  if (!code) throw new Error(`no code: ${url}`);
  return tokens(id, { grant_type: "authorization_code", code, redirect_uri: redirect, code_verifier: verifier });
}

async function main() {
  // An ES module, which NODE_PATH does not reach.
  const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: Object.entries(clients).map(([id, { metadata }]) => ({
      client_id: id, client_secret: "secret", grant_types: ["client_credentials", "authorization_code"],
      redirect_uris: [redirect], ...metadata,
    })),
    enabledJWA: { dPoPSigningAlgValues: ["ES256"] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: () => certificate },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        getResourceServerInfo: (_context, _resource, client) => ({
          audience: "orders-api", scope, accessTokenFormat: "jwt", jwt: { sign: { alg: clients[client.clientId].alg } },
        }),
      },
    },
    // The user has consented already.
    async loadExistingGrant({ oidc: { client, session } }) {
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope("openid");
      grant.addResourceScope(resource, scope);
      await grant.save();
      return grant;
    },
  });
  // Who is sent to log in is Alice.
  provider.use(({ path, req, res }, next) =>
    path.startsWith("/interaction/") ? provider.interactionFinished(req, res, { login: { accountId: "alice" } }) : next());
  await new Promise((listening) => provider.listen(Number(process.argv[2]), "127.0.0.1", listening));

  const printed = { clients: {}, users: {}, ids: {}, certificate, key: privateKey.export({ type: "pkcs8", format: "pem" }) };
  for (const id of Object.keys(clients)) {
    printed.clients[id] = (await tokens(id, { grant_type: "client_credentials", scope })).access_token;
    ({ access_token: printed.users[id], id_token: printed.ids[id] } = await usersTokens(id));
  }
  console.log(JSON.stringify(printed));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
