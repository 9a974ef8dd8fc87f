// An integration in Node.js: takes the authorizer's context, checks it, unwraps the token, reads one secret, revokes it.
//
// The context comes on standard input, as API Gateway delivers it at event.requestContext.authorizer.

const fs = require("node:fs");
const vaultClient = require("node-vault");

async function main() {
  const context = JSON.parse(fs.readFileSync(0, "utf8"));
  const endpoint = process.env.VAULT_ADDR;
  const creationPath = process.env.CREATION_PATH;
  const namespace = process.env.VAULT_NAMESPACE;

  // The context is compared with what this integration expects, and never followed.
  if (context.contextVersion !== "1" || !context.vaultWrappingToken) {
    throw new Error("no wrapped token in the context: is the authorizer attached to this route?");
  }
  if (context.vaultAddress !== endpoint) {
    throw new Error("the context names another Vault address: it may have been tampered with");
  }
  if (context.vaultNamespace !== namespace) {
    throw new Error("the context names another Vault namespace: it may have been tampered with");
  }
  if (context.vaultCreationPath !== creationPath) {
    throw new Error("the context names another creation path: it may have been tampered with");
  }
  if (Number(context.vaultWrapExpiresAt) * 1000 <= Date.now()) {
    throw new Error("the wrapping token has expired");
  }

  const token = context.vaultWrappingToken;
  // Lookup needs no token and does not use the wrapping token up. Unwrap does, and so must carry it alone.
  const anonymous = vaultClient({ endpoint, namespace, noCustomHTTPVerbs: true });
  const found = await anonymous.write("sys/wrapping/lookup", { token });
  if (found.data.creation_path !== creationPath) {
    throw new Error("the wrapping token was made by another creation path: it may have been tampered with");
  }
  const { auth } = await vaultClient({ endpoint, namespace, token }).write("sys/wrapping/unwrap", {});

  const vault = vaultClient({ endpoint, namespace, token: auth.client_token });
  try {
    if (auth.accessor !== context.vaultWrappedAccessor) {
      throw new Error("the token inside is not the one the authorizer minted");
    }
    const secret = await vault.read(process.env.SECRET_PATH);
    console.log(JSON.stringify({ username: secret.data.data.username, accessor: auth.accessor }));
  } finally {
    await vault.tokenRevokeSelf();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
