// The steps against a server that answers as a test tells it to.
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";

import { checkedConfig } from "../src/config.js";
import { contextOfEvent } from "../src/context.js";
import { unreachable } from "../src/failure.js";
import { type ErrorCode, type Integration, VaultContextError } from "../src/index.js";
import { openToken } from "../src/opening.js";
import {
  CLIENT_TOKEN,
  contextOf,
  CREATION_PATH,
  LAGS,
  NOT_KNOWN,
  type Reply,
  ScriptedVault,
  unwrapped,
  WRAPPING_TOKEN,
} from "./scripted_vault.js";

const OPENED = ["lookup", "unwrap", "revoke"];
const ORDERS = "secret/data/prod/orders";
const GET_ORDERS = `GET ${ORDERS}`;
const HTML: Reply = { status: 503, body: "<html>upstream timed out</html>" };

const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
afterEach(() => {
  vi.useRealTimers();
  warn.mockClear();
});

async function refusalOf(integration: Integration, event: unknown): Promise<VaultContextError> {
  const outcome = await integration.open(event).catch((error: unknown) => error);
  if (outcome instanceof VaultContextError) return outcome;
  throw new Error(`not refused: ${inspect(outcome)}`);
}

test("sends what Vault needs and no more", async () => {
  const vault = await ScriptedVault.start();
  await vault.integration({ namespace: "/platform/team1/" }).with(vault.event({ vaultNamespace: "platform/team1" }), (token) =>
    token.write("transit/encrypt/orders", { plaintext: "aGVsbG8=" }),
  );
  const [lookup, unwrap, write, revoke] = vault.received;
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8")) as { version: string };
  expect(lookup?.body).toBe(JSON.stringify({ token: WRAPPING_TOKEN }));
  expect(lookup?.headers["x-vault-token"]).toBeUndefined();
  expect(unwrap).toMatchObject({ body: "", headers: { "x-vault-token": WRAPPING_TOKEN, "content-length": "0" } });
  expect(write).toMatchObject({ body: '{"plaintext":"aGVsbG8="}', headers: { "x-vault-token": CLIENT_TOKEN } });
  expect(revoke?.headers["x-vault-token"]).toBe(CLIENT_TOKEN);
  for (const { headers } of vault.received) {
    expect(headers).toMatchObject({
      "x-vault-request": "true",
      "x-vault-namespace": "platform/team1",
      "user-agent": `vault-context-typescript/${version}`,
    });
  }
});

test("keeps its connection", async () => {
  const vault = await ScriptedVault.start();
  await vault.integration().with(vault.event(), (token) => token.kv("secret").get("prod/orders"));
  expect(vault.received.map(({ connection }) => connection)).toEqual([0, 0, 0, 0]);
});

test.each<[Record<string, unknown>, ErrorCode]>([
  [{ vaultAddress: "https://vault.evil.example", vaultNamespace: "other", vaultWrapExpiresAt: "1" }, "address_mismatch"],
  [{ vaultNamespace: "other", vaultCreationPath: "sys/wrapping/wrap" }, "namespace_mismatch"],
  [{ vaultCreationPath: "sys/wrapping/wrap", vaultWrapExpiresAt: "1" }, "creation_path_mismatch"],
  [{ vaultCreationPath: `${CREATION_PATH}2` }, "creation_path_mismatch"],
  [{ vaultWrapExpiresAt: "1700000000" }, "wrapping_token_expired"],
])("asks nobody about a context with %j: %s", async (changed, code) => {
  const vault = await ScriptedVault.start();
  expect(await refusalOf(vault.integration(), vault.event(changed))).toMatchObject({ code, status: 403, isOutage: false });
  expect(vault.calls).toEqual([]);
});

test("a grant without a token", async () => {
  const vault = await ScriptedVault.start();
  const event = { requestContext: { authorizer: { vaultGrant: "g", callerKind: "jwt", callerId: "a", contextVersion: "1" } } };
  expect(await refusalOf(vault.integration(), event)).toMatchObject({ name: "ContextMissing", code: "no_token" });
});

test.each([
  ["at the second it expires", 4_000_000_000_000],
  ["with a clock before 1970", -1],
])("is expired %s", async (_name, now) => {
  const vault = await ScriptedVault.start();
  vi.useFakeTimers({ now, toFake: ["Date"] });
  expect(await refusalOf(vault.integration(), vault.event())).toMatchObject({ name: "TokenExpired" });
});

test("a token that was wrapped again is not unwrapped", async () => {
  const vault = await ScriptedVault.start({ lookup: [{ status: 200, body: { data: { creation_path: "sys/wrapping/wrap" } } }] });
  const refusal = await refusalOf(vault.integration(), vault.event());
  expect(refusal).toMatchObject({ name: "ContextTampered", code: "creation_path_mismatch", status: 403 });
  expect(refusal.message).toContain("Vault's lookup");
  expect(vault.calls).toEqual(["lookup"]);
});

test.each<[string, Record<string, unknown>, string, ErrorCode, number]>([
  ["another accessor", { accessor: "swapped" }, "AccessorMismatch", "accessor_mismatch", 403],
  ["a batch token", { token_type: "batch", accessor: "" }, "VaultDenied", "not_a_service_token", 403],
  ["policies of an entity", { identity_policies: ["admin"] }, "VaultDenied", "identity_policies", 403],
  ["a long lease", { lease_duration: 901 }, "LeaseTooLong", "lease_too_long", 403],
  ["a lease without end", { lease_duration: 0 }, "LeaseTooLong", "lease_too_long", 403],
  ["a form that is not Vault's", { lease_duration: "60" }, "VaultDenied", "not_a_service_token", 403],
])("revokes a token with %s", async (_name, auth, name, code, status) => {
  const vault = await ScriptedVault.start({ unwrap: [unwrapped(auth)] });
  expect(await refusalOf(vault.integration(), vault.event())).toMatchObject({ name, code, status, isOutage: false });
  expect(vault.calls).toEqual(OPENED);
  expect(vault.received[2]?.headers["x-vault-token"]).toBe(CLIENT_TOKEN);
});

test("accepts what it is told to accept", async () => {
  const auth = { identity_policies: ["admin"], lease_duration: 3600 };
  const vault = await ScriptedVault.start({ unwrap: [unwrapped(auth)] });
  const integration = vault.integration({ allowIdentityPolicies: true, maxLeaseSeconds: 3600 });
  expect(await integration.with(vault.event(), ({ leaseSeconds }) => leaseSeconds)).toBe(3600);
});

test.each<[unknown, ErrorCode]>([
  [{ data: { user: "orders" } }, "not_a_service_token"],
  [{ auth: {} }, "vault_answer_invalid"],
  [{ auth: { client_token: "s.two words" } }, "vault_answer_invalid"],
])("finds no token in %j", async (body, code) => {
  const vault = await ScriptedVault.start({ unwrap: [{ status: 200, body }] });
  expect(await refusalOf(vault.integration(), vault.event())).toMatchObject({ code });
  expect(vault.calls).toEqual(["lookup", "unwrap"]);
});

test("a node that lags at the lookup is asked again, each time over a new connection", async () => {
  const behind: Reply = { status: 412, body: { errors: ["required index state not present"] } };
  const noLeader: Reply = { status: 500, body: { errors: ["local node not active but active cluster node not found"] } };
  const vault = await ScriptedVault.start({ lookup: [LAGS, behind, { status: 429, body: { errors: [] } }, noLeader] });
  await vault.integration().with(vault.event(), () => undefined);
  expect(vault.calls).toEqual(["lookup", "lookup", "lookup", "lookup", ...OPENED]);
  expect(vault.received.map(({ connection }) => connection)).toEqual([0, 1, 2, 3, 4, 4, 4]);
});

test("an unwrap that a node refused is repeated after a lookup shows the token, over a new connection", async () => {
  const vault = await ScriptedVault.start({ unwrap: [LAGS, NOT_KNOWN] });
  await vault.integration().with(vault.event(), () => undefined);
  expect(vault.calls).toEqual(["lookup", "unwrap", "lookup", "unwrap", ...OPENED]);
  expect(vault.received.map(({ connection }) => connection)).toEqual([0, 0, 1, 1, 2, 2, 2]);
});

test("what no node knows may be lag, and is an outage", async () => {
  const vault = await ScriptedVault.start({ lookup: [LAGS, "…"] });
  const refusal = await refusalOf(vault.integration(), vault.event());
  expect(refusal).toMatchObject({ name: "TokenSpent", code: "wrapping_token_not_known", status: 503, isOutage: true });
  expect(vault.calls.length).toBeGreaterThan(3);
});

test("what a lookup showed and then nobody knows is an alarm", async () => {
  const shown: Reply = { status: 200, body: { data: { creation_path: CREATION_PATH } } };
  const vault = await ScriptedVault.start({ lookup: [shown, LAGS, "…"], unwrap: [LAGS, "…"] });
  const refusal = await refusalOf(vault.integration(), vault.event());
  expect(refusal).toMatchObject({ name: "TokenSpent", code: "not_valid_any_more", status: 403, isOutage: false });
  expect(vault.calls.filter((call) => call === "unwrap")).toHaveLength(1);
});

test("what all lookups show and nobody unwraps is lag", async () => {
  const vault = await ScriptedVault.start({ unwrap: [LAGS, "…"] });
  expect(await refusalOf(vault.integration(), vault.event())).toMatchObject({ code: "wrapping_token_not_known" });
  expect(vault.calls.at(-1)).toBe("lookup");
});

test.each([
  ["lookup", { lookup: [LAGS, "…"] }],
  ["unwrap", { unwrap: [LAGS, "…"] }],
] as const)("a token that ends while the %s is repeated has expired", async (_step, script) => {
  const vault = await ScriptedVault.start(script);
  vi.useFakeTimers({ now: 3_999_999_999_900, toFake: ["Date"] });
  expect(await refusalOf(vault.integration(), vault.event())).toMatchObject({ code: "wrapping_token_expired" });
});

test("an outage at the end of patience is that outage", async () => {
  const vault = await ScriptedVault.start({ lookup: [HTML, "…"] });
  expect(await refusalOf(vault.integration(), vault.event())).toMatchObject({ code: "vault_unavailable", status: 503 });
  expect(vault.calls.length).toBeGreaterThan(3);
});

test.each<[string, Reply | "cut" | "hang", ErrorCode]>([
  ["its answer was lost", "cut", "vault_unreachable"],
  ["it timed out", "hang", "vault_timed_out"],
  ["a load balancer answered", HTML, "vault_unavailable"],
  ["it was redirected", { status: 307, headers: { Location: "/v1/sys/wrapping/unwrap" } }, "vault_unavailable"],
  ["a limit was reached", { status: 429, headers: { "Retry-After": "7" } }, "vault_throttled"],
  ["Vault is sealed", { status: 503, body: { errors: ["Vault is sealed"] } }, "vault_sealed"],
])("an unwrap is not sent again after %s", async (_name, step, code) => {
  const vault = await ScriptedVault.start({ unwrap: [step] });
  const refusal = await refusalOf(vault.integration({ timeoutMs: 400 }), vault.event());
  expect(refusal).toMatchObject({ name: "VaultUnavailable", code, status: 503, isOutage: true });
  expect(vault.calls).toEqual(["lookup", "unwrap"]);
});

test("a lookup whose connection broke is sent once more", async () => {
  const vault = await ScriptedVault.start({ lookup: ["cut"] });
  await vault.integration().with(vault.event(), () => undefined);
  expect(vault.calls).toEqual(["lookup", ...OPENED]);
  const broken = await ScriptedVault.start({ lookup: ["cut", "cut"] });
  expect(await refusalOf(broken.integration(), broken.event())).toMatchObject({ code: "vault_unreachable" });
  expect(broken.calls).toEqual(["lookup", "lookup"]);
});

test.each<[string, Reply, ErrorCode, number]>([
  ["a 302", { status: 302, headers: { Location: "/elsewhere" } }, "vault_answer_invalid", 500],
  ["a page", { status: 200, body: "<html>welcome</html>" }, "vault_answer_invalid", 500],
  ["a list", { status: 200, body: [{ data: { creation_path: CREATION_PATH } }] }, "vault_answer_invalid", 500],
  ["no creation path", { status: 200, body: { data: {} } }, "vault_answer_invalid", 500],
  ["a long answer", { status: 200, body: `"${"x".repeat(1024 * 1024)}"` }, "vault_answer_too_large", 500],
  ["a bad request", { status: 400, body: { errors: [`${WRAPPING_TOKEN} is hvs.CAESIJAaaaaaaaaaaaaa`] } }, "vault_refused", 500],
  ["a quota", { status: 429, body: { errors: ["rate limit quota exceeded"] } }, "vault_throttled", 503],
])("a lookup answered with %s is not repeated", async (_name, step, code, status) => {
  const vault = await ScriptedVault.start({ lookup: [step] });
  const refusal = await refusalOf(vault.integration(), vault.event());
  expect(refusal).toMatchObject({ code, status });
  expect(inspect(refusal, { depth: null, showHidden: true })).not.toMatch(/s\.Wrapping|CAESIJ/);
  expect(vault.calls).toEqual(["lookup"]);
});

test("a Vault that is not there is unreachable, and was not sent anything", async () => {
  const vault = await ScriptedVault.start();
  const event = vault.event({ vaultAddress: "http://127.0.0.1:1" });
  expect(await refusalOf(vault.integration({ address: "http://127.0.0.1:1" }), event)).toMatchObject({ code: "vault_unreachable" });
});

test("a connection that is not made in time is unreachable, not timed out", async () => {
  const sockets: Socket[] = [];
  // Accepts, and never says a word of TLS.
  const silent = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const address = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const vault = await ScriptedVault.start();
  const integration = vault.integration({ address, timeoutMs: 300 });
  expect(await refusalOf(integration, vault.event({ vaultAddress: address }))).toMatchObject({ code: "vault_unreachable" });
  expect(sockets).toHaveLength(2);
});

test("an unwrap that no connection was made for is repeated after a lookup", async () => {
  const address = "https://vault.example.com";
  const calls: string[] = [];
  const shown = { data: { creation_path: CREATION_PATH } };
  const answers = [shown, unreachable("sys/wrapping/unwrap", true), shown, unwrapped({}).body];
  const send = async ({ path }: { path: string }) => {
    calls.push(path);
    return answers.shift();
  };
  const config = checkedConfig({ address, creationPaths: [CREATION_PATH] });
  const context = contextOfEvent({ requestContext: { authorizer: contextOf(address) } });
  expect((await openToken(config, { send } as never, context)).accessor).toBe("the-accessor");
  expect(calls.map((path) => path.replace("sys/wrapping/", ""))).toEqual(["lookup", "unwrap", "lookup", "unwrap"]);
});

test("a read is repeated on lag, over a new connection, and where a node fails", async () => {
  const vault = await ScriptedVault.start({ [GET_ORDERS]: [NOT_KNOWN, HTML] });
  const secret = await vault.integration().with(vault.event(), (token) => token.read(ORDERS));
  expect(secret.data).toEqual({ data: { user: "orders" } });
  expect(vault.received.map(({ connection }) => connection)).toEqual([0, 0, 0, 1, 2, 2]);
});

test("a read that may have counted as a use is not repeated, nor one whose connection broke", async () => {
  const counted = await ScriptedVault.start({ unwrap: [unwrapped({ num_uses: 5 })], [GET_ORDERS]: [HTML] });
  const read = counted.integration().with(counted.event(), (token) => token.read(ORDERS));
  await expect(read).rejects.toMatchObject({ code: "vault_unavailable" });
  expect(counted.calls).toEqual(["lookup", "unwrap", GET_ORDERS, "revoke"]);
  const broken = await ScriptedVault.start({ [GET_ORDERS]: ["cut"] });
  const lost = broken.integration().with(broken.event(), (token) => token.read(ORDERS));
  await expect(lost).rejects.toMatchObject({ code: "vault_unreachable" });
  expect(broken.calls).toEqual(["lookup", "unwrap", GET_ORDERS, "revoke"]);
});

test("a write is repeated on lag alone", async () => {
  const write = `POST ${ORDERS}`;
  const vault = await ScriptedVault.start({ [write]: [NOT_KNOWN, HTML] });
  const written = vault.integration().with(vault.event(), (token) => token.write(ORDERS, { data: {} }));
  await expect(written).rejects.toMatchObject({ code: "vault_unavailable" });
  expect(vault.calls).toEqual(["lookup", "unwrap", write, write, "revoke"]);
});

test("a token whose uses are spent is not waited for", async () => {
  const vault = await ScriptedVault.start({
    unwrap: [unwrapped({ num_uses: 1 })],
    revoke: [NOT_KNOWN, "…"],
  });
  await vault.integration().with(vault.event(), (token) => token.read(ORDERS));
  expect(vault.calls).toEqual(["lookup", "unwrap", GET_ORDERS, "revoke"]);
});

test("a node that lags at the revocation is asked again", async () => {
  const vault = await ScriptedVault.start({ revoke: [NOT_KNOWN] });
  await vault.integration().with(vault.event(), () => undefined);
  expect(vault.calls).toEqual([...OPENED, "revoke"]);
  expect(warn).not.toHaveBeenCalled();
});

test.each(["cut", HTML] as const)("a revocation that fails (%j) is logged and hides nothing", async (step) => {
  const vault = await ScriptedVault.start({ revoke: [step, "…"] });
  expect(await vault.integration().with(vault.event(), () => "done")).toBe("done");
  const failing = vault.integration().with(vault.event(), () => Promise.reject(new Error("the body's own")));
  await expect(failing).rejects.toThrow("the body's own");
  const logged = inspect(warn.mock.calls);
  expect(warn).toHaveBeenCalledTimes(2);
  expect(logged).toContain("the-accessor");
  expect(logged).not.toContain(CLIENT_TOKEN);
});

test("`await using` revokes, once, and what comes after the scope is not sent", async () => {
  const vault = await ScriptedVault.start();
  let kept;
  {
    await using token = await vault.integration().open(vault.event());
    kept = token;
  }
  expect(vault.calls).toEqual(OPENED);
  await kept[Symbol.asyncDispose]();
  await expect(kept.read(ORDERS)).rejects.toMatchObject({ code: "vault_call_invalid", status: 500 });
  expect(vault.calls).toEqual(OPENED);
});

test.each(["", "/a", "a/", "a//b", "a/../b", "..", "a/./b", "a?list=true", "a#b", "a\\b", "a\nb", "a\u0000", "a\ud800"])(
  "the path %j is not sent",
  async (path) => {
    const vault = await ScriptedVault.start();
    const read = vault.integration().with(vault.event(), (token) => token.read(path));
    await expect(read).rejects.toMatchObject({ name: "VaultDenied", code: "vault_call_invalid" });
    expect(vault.calls).toEqual(OPENED);
  },
);

test("each segment of a path is encoded", async () => {
  const vault = await ScriptedVault.start();
  await vault.integration().with(vault.event(), (token) => token.read("secret/data/a b/%2e%2e/é"));
  expect(vault.calls[2]).toBe("GET secret/data/a%20b/%252e%252e/%C3%A9");
});

test("Vault may stand below a path of its address", async () => {
  const vault = await ScriptedVault.start();
  const address = `${vault.address}/vault/`;
  await vault.integration({ address }).with(vault.event({ vaultAddress: `${vault.address}/vault` }), () => undefined);
  expect(vault.received.map(({ url }) => url)).toEqual([
    "/vault/v1/sys/wrapping/lookup",
    "/vault/v1/sys/wrapping/unwrap",
    "/vault/v1/auth/token/revoke-self",
  ]);
});

test("a body without a JSON form is not sent", async () => {
  const vault = await ScriptedVault.start();
  const written = vault.integration().with(vault.event(), (token) => token.write("a/b", { big: 1n }));
  await expect(written).rejects.toMatchObject({ code: "vault_call_invalid" });
});

test("reads, KV and credentials need what they are for in the answer", async () => {
  const flat: Reply = { status: 200, body: { data: { username: "flat" } } };
  const vault = await ScriptedVault.start({ [GET_ORDERS]: [flat, { status: 204 }], "GET database/creds/orders": [flat] });
  await vault.integration().with(vault.event(), async (token) => {
    await expect(token.kv("secret").get("prod/orders")).rejects.toMatchObject({ code: "vault_answer_invalid" });
    await expect(token.read(ORDERS)).rejects.toMatchObject({ code: "vault_answer_invalid" });
    await expect(token.database("database").credentials("orders")).rejects.toMatchObject({ code: "vault_answer_invalid" });
  });
});

test("a write may be answered with nothing", async () => {
  const vault = await ScriptedVault.start({ "POST a/b": [{ status: 204 }] });
  const { data, lease } = await vault.integration().with(vault.event(), (token) => token.write("a/b"));
  expect({ data, lease }).toEqual({ data: {}, lease: undefined });
});

test("nothing that is printed shows a token, a password, a lease id or what was read", async () => {
  const body = { lease_id: "database/creds/orders/abc", lease_duration: 60, data: { username: "v-orders", password: "hunter2" } };
  const vault = await ScriptedVault.start({ "GET database/creds/orders": [{ status: 200, body }, "…"] });
  const integration = vault.integration();
  await using token = await integration.open(vault.event());
  const secret = await token.read("database/creds/orders");
  const credentials = await token.database("database").credentials("orders");
  expect(secret.lease?.id).toBe("database/creds/orders/abc");
  expect({ username: credentials.username, password: credentials.password }).toEqual(body.data);
  for (const value of [integration, token, secret, credentials, token.kv("secret"), token.database("database")]) {
    const shown = `${inspect(value, { depth: null, showHidden: true })} ${JSON.stringify(value)} ${String(value)}`;
    expect(shown).not.toMatch(/s\.Client|s\.Wrapping|hunter2|creds\/orders\/abc/);
  }
  expect(JSON.parse(JSON.stringify(token))).toMatchObject({ accessor: "the-accessor", grant: "orders-reader" });
  expect(() => structuredClone(token).read("a/b")).toThrow(TypeError);
});

test("requests at one time do not share anything but connections", async () => {
  const vault = await ScriptedVault.start({ lookup: [LAGS, LAGS, LAGS], unwrap: [LAGS, LAGS] });
  const integration = vault.integration();
  const ids = Array.from({ length: 20 }, (_, at) => `corp:caller-${at}`);
  const seen = await Promise.all(ids.map((callerId) => integration.with(vault.event({ callerId }), ({ caller }) => caller.id)));
  expect(seen).toEqual(ids);
  expect(vault.calls.filter((call) => call === "revoke")).toHaveLength(20);
});
