// An integration in Node.js: takes the authorizer's context, checks it, unwraps the token, reads one secret, revokes it.
//
// The context comes on standard input, as API Gateway delivers it at event.requestContext.authorizer.

const fs = require("node:fs");
const { setTimeout } = require("node:timers/promises");
const vaultClient = require("node-vault");

async function main() {
  const context = JSON.parse(fs.readFileSync(0, "utf8"));
  const endpoint = process.env.VAULT_ADDR;
  const creationPath = process.env.CREATION_PATH;
  const namespace = process.env.NAMESPACE ?? "";

  // The context is compared with what this integration expects, and never followed.
  if (context.contextVersion !== "1" || !context.vaultWrappingToken) {
    throw new Error("no wrapped token in the context: is the authorizer attached to this route?");
  }
  if (context.vaultAddress !== endpoint) {
    throw new Error("the context names another Vault address: it may have been tampered with");
  }
  if ((context.vaultNamespace ?? "") !== namespace) {
    throw new Error("the context names another Vault namespace: it may have been tampered with");
  }
  if (context.vaultCreationPath !== creationPath) {
    throw new Error("the context names another creation path: it may have been tampered with");
  }
  const expiresAt = Number(context.vaultWrapExpiresAt) * 1000;
  const hasExpired = () => expiresAt <= Date.now() + 500;
  if (hasExpired()) {
    throw new Error("the wrapping token has expired");
  }

  // Calls again while a node does not know the token, for two seconds at most and not beyond the wrapping token's life.
  const untilKnown = async (call) => {
    for (const pause of [20, 40, 80, 160, 300, 400, 400, 400]) {
      try {
        return await call();
      } catch (error) {
        if (!nodeDoesNotKnow(error) || hasExpired()) throw error;
        await setTimeout(pause * (0.5 + Math.random() / 2));
      }
    }
    return call();
  };

  // An empty option is none to node-vault: it would send VAULT_TOKEN and VAULT_NAMESPACE. A property it takes as it is.
  const connect = (token) => Object.assign(vaultClient({ endpoint, rpDefaults: { timeout: 5000 } }), { token, namespace });
  const token = context.vaultWrappingToken;
  const lookUp = async (otherwise) => {
    try {
      // Lookup needs no token and uses nothing up.
      const found = await untilKnown(() => connect("").write("sys/wrapping/lookup", { token }));
      if (found.data.creation_path !== creationPath) {
        throw new Error("the wrapping token was made by another creation path: it may have been tampered with");
      }
    } catch (error) {
      // A node that says itself that it lags tells nothing of the token.
      if (!nodeDoesNotKnow(error) || error.response.statusCode === 412) throw error;
      throw new Error(hasExpired() ? "the wrapping token has expired" : otherwise);
    }
  };

  // Sent again only where a node refused it and a lookup then shows the token: a lost answer may have used it up.
  const unwrap = async () => {
    await lookUp("no node knows the wrapping token: the nodes lag behind, or it was opened before; see Vault's audit log");
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        // Unwrap uses the wrapping token up, and so must carry it alone.
        return await connect(token).write("sys/wrapping/unwrap", {});
      } catch (error) {
        if (!nodeDoesNotKnow(error)) throw error;
      }
      await lookUp("ALARM: the wrapping token was there and then was gone: somebody else may have opened it");
    }
    throw new Error("the nodes do not agree whether there is a wrapping token: check Vault's replication");
  };
  const { auth } = await unwrap();

  const vault = connect(auth.client_token);
  try {
    if (auth.accessor !== context.vaultWrappedAccessor) {
      throw new Error("the token inside is not the one the authorizer minted");
    }
    const secret = await untilKnown(() => vault.read(process.env.SECRET_PATH));
    console.log(JSON.stringify({ username: secret.data.data.username, accessor: auth.accessor }));
  } finally {
    await untilKnown(() => vault.tokenRevokeSelf());
  }
}

// A standby that serves reads hears of a token after it was made. Until then it says that there is none, or 412.
function nodeDoesNotKnow({ message, response }) {
  const texts = /wrapping token is not valid|invalid token|^permission denied$/;
  return response !== undefined && (response.statusCode === 412 || texts.test(message));
}

main().catch((error) => {
  // The message alone: the error of a broken connection holds the request, and so the token.
  console.error(error.message);
  process.exitCode = 1;
});
