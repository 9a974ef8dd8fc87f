// Middy, Express and Fastify as they are, over HTTP where they serve it.
import middy from "@middy/core";
import express from "express";
import fastify from "fastify";
import { once } from "node:events";
import { get, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";

import { contextOfHeaders, HEADERS } from "../src/context.js";
import * as forExpress from "../src/express.js";
import * as forFastify from "../src/fastify.js";
import type { Integration } from "../src/index.js";
import * as forMiddy from "../src/middy.js";
import { contextOf, LAGS, ScriptedVault } from "./scripted_vault.js";

const USED = ["lookup", "unwrap", "GET secret/data/prod/orders", "revoke"];

const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
afterEach(() => void logged.mockClear());

/** The last call of a request is made after its response. */
async function untilRevoked(vault: ScriptedVault): Promise<void> {
  await vi.waitUntil(() => vault.calls.includes("revoke"), { timeout: 30_000 });
}

function headersFor(vault: ScriptedVault): Record<string, string> {
  const context = contextOf(vault.address);
  return Object.fromEntries(Object.entries(HEADERS).map(([key, header]) => [header, String(context[key] ?? "")]));
}

interface Event {
  readonly path: string;
}

/** As Lambda does. */
function invoke(handler: ReturnType<typeof handlerOf>, event: Event): Promise<unknown> {
  return handler(event, {} as forMiddy.TokenContext);
}

function handlerOf(integration: Integration) {
  return middy<Event>()
    .use(forMiddy.vaultToken(integration))
    .handler(async (event, context) => {
      if (event.path === "/health") return { statusCode: 200, body: "well" };
      const token = await context.vaultToken();
      expect(await context.vaultToken()).toBe(token);
      if (event.path === "/broken") throw new Error("the handler's own");
      const { user } = await token.kv("secret").get("prod/orders");
      return { statusCode: 200, body: user };
    });
}

describe("Middy", () => {
  test("opens when asked, and revokes", async () => {
    const vault = await ScriptedVault.start();
    const handler = handlerOf(vault.integration());
    expect(await invoke(handler, { path: "/health" })).toMatchObject({ body: "well" });
    expect(vault.calls).toEqual([]);
    expect(await invoke(handler, { path: "/orders", ...(vault.event() as object) })).toEqual({ statusCode: 200, body: "orders" });
    expect(vault.calls).toEqual(USED);
  });

  test("revokes after an exception, and leaves it alone", async () => {
    const vault = await ScriptedVault.start();
    const event = { path: "/broken", ...(vault.event() as object) };
    await expect(invoke(handlerOf(vault.integration()), event)).rejects.toThrow("the handler's own");
    expect(vault.calls).toEqual(["lookup", "unwrap", "revoke"]);
  });

  test("answers a refusal and an outage", async () => {
    const vault = await ScriptedVault.start({ lookup: [LAGS, "…"] });
    const handler = handlerOf(vault.integration());
    const headers = { "content-type": "application/json", "cache-control": "no-store" };
    expect(await invoke(handler, { path: "/orders" })).toEqual({ statusCode: 403, headers, body: '{"error":"no_context"}' });
    expect(await invoke(handler, { path: "/orders", ...(vault.event() as object) })).toEqual({
      statusCode: 503,
      headers: { ...headers, "retry-after": "1" },
      body: '{"error":"wrapping_token_not_known"}',
    });
    expect(logged.mock.calls.flat().join(" ")).toContain("authorizerResultTtlInSeconds");
  });
});

function serveExpress(integration: Integration): Promise<string> {
  const app = express();
  app.use("/gone", (_request, response, next) => void response.once("close", () => next()));
  app.use(forExpress.vaultToken(integration));
  app.get("/health", (_request, response) => void response.send("well"));
  app.get("/orders", async (request, response) => {
    const token = await request.vaultToken();
    expect(await request.vaultToken()).toBe(token);
    response.send((await token.kv("secret").get("prod/orders"))["user"]);
  });
  app.get("/broken", async (request) => {
    await request.vaultToken();
    throw Object.assign(new Error("the handler's own"), { status: 418 });
  });
  app.get(["/hangs", "/gone"], async (request) => void (await request.vaultToken()));
  app.use(forExpress.vaultErrors);
  return addressOf(app.listen(0, "127.0.0.1"));
}

async function serveFastify(integration: Integration): Promise<string> {
  const app = fastify();
  app.addHook("onRequest", async (request, reply) => void (request.url === "/gone" && (await once(reply.raw, "close"))));
  await app.register(forFastify.vaultToken, { integration });
  app.setErrorHandler(forFastify.vaultErrors);
  app.get("/health", async () => "well");
  app.get("/orders", async (request) => {
    const token = await request.vaultToken();
    expect(await request.vaultToken()).toBe(token);
    return (await token.kv("secret").get("prod/orders"))["user"];
  });
  app.get("/broken", async (request) => {
    await request.vaultToken();
    throw Object.assign(new Error("the handler's own"), { statusCode: 418 });
  });
  for (const path of ["/hangs", "/gone"]) {
    app.get(path, async (request) => {
      await request.vaultToken();
      return new Promise(() => undefined);
    });
  }
  onTestFinished(() => app.close());
  return app.listen({ port: 0, host: "127.0.0.1" });
}

async function addressOf(server: Server): Promise<string> {
  if (!server.listening) await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.each([
  ["Express", serveExpress],
  ["Fastify", serveFastify],
])("%s", (_name, serve) => {
  test("opens when asked, and revokes after the response", async () => {
    const vault = await ScriptedVault.start();
    const address = await serve(vault.integration());
    expect(await (await fetch(`${address}/health`, { headers: headersFor(vault) })).text()).toBe("well");
    expect(vault.calls).toEqual([]);
    const response = await fetch(`${address}/orders`, { headers: headersFor(vault) });
    expect([response.status, await response.text()]).toEqual([200, "orders"]);
    await untilRevoked(vault);
    expect(vault.calls).toEqual(USED);
  });

  test("revokes after an exception, and leaves it alone", async () => {
    const vault = await ScriptedVault.start();
    const response = await fetch(`${await serve(vault.integration())}/broken`, { headers: headersFor(vault) });
    expect(response.status).toBe(418);
    await untilRevoked(vault);
    expect(vault.calls).toEqual(["lookup", "unwrap", "revoke"]);
  });

  test("revokes when the caller hangs up", async () => {
    const vault = await ScriptedVault.start();
    const request = get(`${await serve(vault.integration())}/hangs`, { headers: headersFor(vault) });
    request.on("error", () => undefined);
    await vi.waitUntil(() => vault.calls.includes("unwrap"), { timeout: 30_000 });
    request.destroy();
    await untilRevoked(vault);
    expect(vault.calls).toEqual(["lookup", "unwrap", "revoke"]);
  });

  test("revokes where the caller had hung up before", async () => {
    const vault = await ScriptedVault.start();
    const request = get(`${await serve(vault.integration())}/gone`, { headers: headersFor(vault) });
    request.on("error", () => undefined);
    request.once("socket", (socket) => socket.once("connect", () => setTimeout(() => request.destroy(), 50)));
    await vi.waitUntil(() => vault.calls.includes("unwrap"), { timeout: 30_000 });
    await untilRevoked(vault);
    expect(vault.calls).toEqual(["lookup", "unwrap", "revoke"]);
  });

  test("answers a refusal and an outage", async () => {
    const vault = await ScriptedVault.start({ lookup: [LAGS, "…"] });
    const address = await serve(vault.integration());
    const refused = await fetch(`${address}/orders`);
    expect([refused.status, await refused.json()]).toEqual([403, { error: "no_context" }]);
    expect(refused.headers.get("cache-control")).toBe("no-store");
    expect(refused.headers.get("retry-after")).toBeNull();
    const down = await fetch(`${address}/orders`, { headers: headersFor(vault) });
    expect([down.status, await down.json()]).toEqual([503, { error: "wrapping_token_not_known" }]);
    expect(down.headers.get("retry-after")).toBe("1");
  });

  test("sees a header that was sent twice", async () => {
    const vault = await ScriptedVault.start();
    const headers = { ...headersFor(vault), [HEADERS.callerId]: ["corp:alice", "corp:admin"] };
    expect(() => contextOfHeaders(headers)).toThrow();
    const request = get(`${await serve(vault.integration())}/orders`, { headers });
    const [response] = await once(request, "response");
    response.resume();
    expect(response.statusCode).toBe(403);
    expect(vault.calls).toEqual([]);
  });
});
