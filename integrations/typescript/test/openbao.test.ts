// The whole way against a real OpenBao, with the fixture that this package gives to others.
import { inspect } from "node:util";
import { expect } from "vitest";

import { Integration } from "../src/index.js";
import { type TestContext, test } from "../src/vitest.js";
import { lives, root, writeSecret } from "./root.js";

function integrationFor({ address, creationPath }: TestContext): Integration {
  return new Integration({ address, creationPaths: [creationPath] });
}

function eventOf({ context }: TestContext, changed: Readonly<Record<string, string>>): unknown {
  return { requestContext: { authorizer: { ...context, ...changed } } };
}

test("reads a secret with the token of each form of event, and revokes it", async ({ vaultContext }) => {
  const policies = ["default", await writeSecret("prod/orders", { user: "orders", password: "hunter2" })];
  const forms = [
    (made: TestContext) => integrationFor(made).open(made.event),
    (made: TestContext) => integrationFor(made).open({ requestContext: { authorizer: { lambda: made.context } } }),
    (made: TestContext) => integrationFor(made).openHeaders(made.headers),
  ];
  for (const open of forms) {
    const made = await vaultContext({ policies, grant: "orders-reader" });
    {
      await using token = await open(made);
      expect(await token.kv("secret").get("prod/orders")).toEqual({ user: "orders", password: "hunter2" });
      expect((await token.read("secret/data/prod/orders")).data["data"]).toEqual({ user: "orders", password: "hunter2" });
      const { grant, accessor, creationPath, leaseSeconds, caller } = token;
      expect({ grant, accessor, creationPath }).toEqual({
        grant: "orders-reader",
        accessor: made.accessor,
        creationPath: "auth/token/create/vault-context-test",
      });
      expect(caller).toEqual({ kind: "jwt", issuer: "test", id: "test:alice", binding: "none" });
      expect(token.policies).toEqual(policies);
      expect(leaseSeconds).toBe(60);
    }
    expect(await lives(made.accessor)).toBe(false);
  }
});

test("writes, and is told what it may not do", async ({ vaultContext }) => {
  const policies = ["default", await writeSecret("prod/stock", { items: "1" })];
  const made = await vaultContext({ policies });
  await integrationFor(made).with(made.event, async (token) => {
    const { data } = await token.write("secret/data/prod/stock", { data: { items: "2" } });
    expect(data["version"]).toBe(2);
    expect(await token.kv("secret").get("prod/stock")).toEqual({ items: "2" });
    await expect(token.read("secret/data/prod/other")).rejects.toMatchObject({ code: "vault_forbidden", status: 500 });
  });
});

test("revokes after an exception", async ({ vaultContext }) => {
  const made = await vaultContext();
  const failing = integrationFor(made).withHeaders(made.headers, () => Promise.reject(new Error("the body's own")));
  await expect(failing).rejects.toThrow("the body's own");
  expect(await lives(made.accessor)).toBe(false);
});

test("a spent token", async ({ vaultContext }) => {
  const made = await vaultContext();
  await integrationFor(made).with(made.event, () => undefined);
  await expect(integrationFor(made).open(made.event)).rejects.toMatchObject({
    name: "TokenSpent",
    code: "wrapping_token_not_known",
    status: 503,
  });
});

test("a token that Vault let expire, though the context says it is fresh, ends as the context says", async ({ vaultContext }) => {
  const made = await vaultContext({ wrapTtlSeconds: 1 });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await expect(integrationFor(made).open(made.event)).rejects.toMatchObject({ name: "TokenExpired" });
  const fresh = eventOf(made, { vaultWrapExpiresAt: String(Math.floor(Date.now() / 1000) + 60) });
  await expect(integrationFor(made).open(fresh)).rejects.toMatchObject({ code: "wrapping_token_not_known" });
});

test("a swapped token is revoked", async ({ vaultContext }) => {
  const [made, other] = [await vaultContext(), await vaultContext()];
  const swapped = eventOf(made, { vaultWrappingToken: other.context["vaultWrappingToken"] ?? "" });
  await expect(integrationFor(made).open(swapped)).rejects.toMatchObject({ name: "AccessorMismatch" });
  expect([await lives(other.accessor), await lives(made.accessor)]).toEqual([false, true]);
});

test("a token that was intercepted and wrapped again", async ({ vaultContext }) => {
  const made = await vaultContext();
  const stolen = await root("POST", "sys/wrapping/unwrap", { token: made.context["vaultWrappingToken"] });
  const wrapped = await root("POST", "sys/wrapping/wrap", stolen.body, { "X-Vault-Wrap-TTL": "60s" });
  const event = eventOf(made, { vaultWrappingToken: wrapped.body["wrap_info"].token });
  await expect(integrationFor(made).open(event)).rejects.toMatchObject({ code: "creation_path_mismatch" });
});

test("a batch token, and one whose life is too long", async ({ vaultContext }) => {
  await root("POST", "auth/token/roles/batch", { token_type: "batch", orphan: true, renewable: false });
  const batch = await vaultContext({ role: "batch" });
  const event = eventOf(batch, { vaultWrappedAccessor: "of-a-service-token" });
  await expect(integrationFor(batch).open(event)).rejects.toMatchObject({ code: "not_a_service_token", status: 403 });
  const long = await vaultContext({ ttlSeconds: 901 });
  await expect(integrationFor(long).open(long.event)).rejects.toMatchObject({ name: "LeaseTooLong" });
  expect(await lives(long.accessor)).toBe(false);
});

test("a token that was revoked under way", async ({ vaultContext }) => {
  const made = await vaultContext();
  await integrationFor(made).with(made.event, async (token) => {
    await root("POST", "auth/token/revoke-accessor", { accessor: made.accessor });
    await expect(token.read("secret/data/prod/orders")).rejects.toMatchObject({ code: "vault_token_not_valid", status: 500 });
  });
});

test("one integration opens many requests at a time", async ({ vaultContext }) => {
  const made = await Promise.all(Array.from({ length: 10 }, () => vaultContext()));
  const integration = integrationFor(made[0] as TestContext);
  const accessors = await Promise.all(made.map(({ event }) => integration.with(event, ({ accessor }) => accessor)));
  expect(accessors).toEqual(made.map(({ accessor }) => accessor));
});

test("no error holds the wrapping token", async ({ vaultContext }) => {
  const made = await vaultContext();
  const token = made.context["vaultWrappingToken"] ?? "";
  const events = [eventOf(made, { vaultAddress: "http://127.0.0.1:1" }), eventOf(made, { callerKind: token })];
  for (const event of events) {
    const error: unknown = await integrationFor(made).open(event).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Error);
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(token);
  }
});
