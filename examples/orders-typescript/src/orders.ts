// The sample integration in TypeScript: asks the database for a caller's orders, as a user that Vault makes for this one request.
//
// Configured as examples/orders is, with `database` alone: VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT, ALLOW_ORIGIN, ORDERS_STAGES.

import { readFileSync } from "node:fs";
import pg from "pg";
import { Integration, VaultContextError, type VaultToken } from "vault-context";

type Database = { mount: string; role: string; host: string; port: number; name: string };
type Source = { creation_path: string; database: Database };

const { VAULT_ADDR: address = "", VAULT_NAMESPACE: namespace, VAULT_CACERT: caFile, ALLOW_ORIGIN: origin } = process.env;
const ca = caFile === undefined ? undefined : readFileSync(caFile, "utf8");
const configured = Object.entries<Source | Source[]>(JSON.parse(process.env["ORDERS_STAGES"] ?? "{}"));
const stages = new Map(configured.map(([stage, sources]) => {
  const databases = new Map([sources].flat().map((source) => [source.creation_path, source.database]));
  for (const { host } of databases.values()) {
    if (["localhost", "127.0.0.1", "::1"].includes(host)) continue;
    throw new TypeError(`ORDERS_STAGES: ${stage}: \`${host}\` is not a loopback address, and this sample connects without TLS`);
  }
  const integration = new Integration({ address, namespace, ca, creationPaths: [...databases.keys()] });
  return [stage, (event: unknown) => integration.with(event, (token) => orders(stage, token, databases.get(token.creationPath)!))];
}));

export async function handler(event: { requestContext: { stage: string } }) {
  const serve = stages.get(event.requestContext.stage);
  const [status, body] = serve ? await serve(event).then((found) => [200, found] as const, failed) : [403, { error: "stage_unknown" }] as const;
  const headers = {
    "content-type": "application/json",
    "cache-control": "no-store",
    ...(status === 503 && { "retry-after": "1" }),
    ...(origin && { "access-control-allow-origin": origin }),
  };
  return { statusCode: status, headers, body: JSON.stringify(body) };
}

/** When the promise is settled, the token is revoked, and Vault drops the user. */
async function orders(stage: string, token: VaultToken, { mount, role, host, port, name }: Database) {
  const { username: user, password, leaseSeconds } = await token.database(mount).credentials(role);
  const client = new pg.Client({ host, port, database: name, user, password, connectionTimeoutMillis: 5000, query_timeout: 5000 });
  try {
    await client.connect();
    const { rows } = await client.query("SELECT id, item, quantity FROM orders ORDER BY id");
    const vault = { policies: token.policies, lease_duration_seconds: token.leaseSeconds, creation_path: token.creationPath };
    const database = { role, lease_duration_seconds: leaseSeconds };
    return { stage, caller: token.caller.id, grant: token.grant, orders: rows, database, vault };
  } finally {
    await client.end();
  }
}

function failed(error: Error & { code?: string }): [number, { error: string }] {
  const [status, code, reason] = told(error);
  console.error(`no orders: ${code}: ${reason}`);
  return [status, { error: code }];
}

/** PostgreSQL's own words can quote names and values, so the log gets its SQLSTATE. */
function told(error: Error & { code?: string }): [number, string, string | undefined] {
  if (error instanceof VaultContextError) return [error.status, error.code, error.message];
  if (!(error instanceof pg.DatabaseError)) {
    return [503, /timeout/.test(error.message) ? "database_timed_out" : "database_unreachable", error.code];
  }
  const isOutage = /^(08|53|57P|58)/.test(error.code ?? "");
  return [...(isOutage ? ([503, "database_unavailable"] as const) : ([500, "database_refused"] as const)), error.code];
}
