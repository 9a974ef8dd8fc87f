// Runs the cases that all languages share: reads one JSON request a line, answers each with one JSON line.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { Integration, VaultContextError } from "../dist/esm/index.js";

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}

async function answer(request) {
  let integration;
  try {
    integration = new Integration(optionsOf(request.integration));
  } catch (error) {
    return { error: "Configuration", message: error.message };
  }
  try {
    const use = (token) => report(token, request.use ?? []);
    return await (request.headers ? integration.withHeaders(request.headers, use) : integration.with(request.event, use));
  } catch (error) {
    if (!(error instanceof VaultContextError)) throw error;
    return { error: error.name, code: error.code, status: error.status, outage: error.isOutage, message: error.message };
  }
}

function optionsOf(integration) {
  const ca = integration.ca_file ?? undefined;
  return {
    address: integration.address,
    creationPaths: integration.creation_paths,
    namespace: integration.namespace ?? undefined,
    ca: ca && readFileSync(ca, "utf8"),
    maxLeaseSeconds: integration.max_lease_seconds ?? undefined,
    timeoutMs: integration.timeout_ms ?? undefined,
    allowIdentityPolicies: integration.allow_identity_policies ?? undefined,
  };
}

async function report(token, uses) {
  const values = [];
  for (const use of uses) values.push(await valueOf(token, use));
  const { grant, accessor, creationPath, caller } = token;
  const { kind, issuer = null, id, binding } = caller;
  return { token: { grant, accessor, creation_path: creationPath, caller: { kind, issuer, id, binding } }, values };
}

async function valueOf(token, { read, write, kv, database }) {
  if (read !== undefined) return (await token.read(read)).data;
  if (write !== undefined) return (await token.write(...write)).data;
  if (kv !== undefined) return token.kv(kv[0]).get(kv[1]);
  const { username, password } = await token.database(database[0]).credentials(database[1]);
  return { username, password };
}
