// A function's environment may hold anything. None of it reaches Vault, and none of it loosens TLS.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { CLIENT_TOKEN, CREATION_PATH, ScriptedVault, WRAPPING_TOKEN } from "./scripted_vault.js";
import { startOpenBao } from "./openbao.js";

const RUNNER = join(import.meta.dirname, "conformance.mjs");
const ORDERS = { use: [{ kv: ["secret", "prod/orders"] }] };

interface Ran {
  readonly answer: { readonly [name: string]: unknown };
  readonly stderr: string;
}

/** Runs one request of the conformance runner in a process whose environment is `env`. */
function run(env: Record<string, string>, request: unknown): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [RUNNER], { env }, (error, stdout, stderr) => {
      if (error) reject(error);
      else resolve({ answer: JSON.parse(stdout) as Ran["answer"], stderr });
    });
    child.stdin?.end(`${JSON.stringify(request)}\n`);
  });
}

/** A server that nobody is to call, and what called it. */
async function startTrap(): Promise<{ readonly address: string; readonly caught: string[] }> {
  const caught: string[] = [];
  const trap = createServer((request, response) => {
    caught.push(request.url ?? "");
    response.writeHead(500).end();
  });
  trap.on("connect", (request, socket) => {
    caught.push(request.url ?? "");
    socket.destroy();
  });
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void trap.close());
  return { address: `http://127.0.0.1:${(trap.address() as AddressInfo).port}`, caught };
}

function hostile(trap: string): Record<string, string> {
  const own = ["TOKEN", "ADDR", "AGENT_ADDR", "NAMESPACE", "MAX_RETRIES", "CLIENT_TIMEOUT", "HTTP_PROXY", "SKIP_VERIFY", "CACERT"];
  const variables = own.flatMap((name) => [[`VAULT_${name}`, trap], [`BAO_${name}`, trap]]);
  const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"].map((name) => [name, trap]);
  return {
    ...Object.fromEntries([...variables, ...proxies]),
    NO_PROXY: "",
    NODE_USE_ENV_PROXY: "1",
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    HOME: "/nonexistent",
  };
}

test("variables of other clients, proxies and debug output change nothing and show nothing", async () => {
  const [vault, trap] = [await ScriptedVault.start(), await startTrap()];
  const integration = { address: vault.address, creation_paths: [CREATION_PATH] };
  const env = { ...hostile(trap.address), NODE_DEBUG: "http,https,net,tls" };
  const { answer, stderr } = await run(env, { integration, event: vault.event(), ...ORDERS });
  expect(answer).toMatchObject({ values: [{ user: "orders" }] });
  expect(vault.calls).toEqual(["lookup", "unwrap", "GET secret/data/prod/orders", "revoke"]);
  expect(vault.received[0]?.headers["x-vault-token"]).toBeUndefined();
  expect(vault.received.map(({ headers }) => headers["x-vault-namespace"])).toEqual([undefined, undefined, undefined, undefined]);
  expect(trap.caught).toEqual([]);
  expect(stderr).toContain("HTTP");
  for (const token of [WRAPPING_TOKEN, CLIENT_TOKEN]) expect(stderr).not.toContain(token);
});

test("TLS trusts the given certificates alone, whatever the environment says", async () => {
  const directory = mkdtempSync(join(tmpdir(), "vault-context-tls-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const openbao = await startOpenBao(directory);
  onTestFinished(() => openbao.stop());
  const event = {
    requestContext: {
      authorizer: {
        vaultWrappingToken: WRAPPING_TOKEN,
        vaultWrappedAccessor: "a",
        vaultCreationPath: CREATION_PATH,
        vaultAddress: openbao.address,
        vaultWrapExpiresAt: String(Math.floor(Date.now() / 1000) + 60),
        vaultGrant: "g",
        callerKind: "jwt",
        callerId: "a",
        contextVersion: "1",
      },
    },
  };
  const { address: trap } = await startTrap();
  const integration = { address: openbao.address, creation_paths: [CREATION_PATH] };
  const distrusted = await run(hostile(trap), { integration, event });
  expect(distrusted.answer).toMatchObject({ code: "vault_unreachable", status: 503 });
  const ca = join(directory, "vault-ca.pem");
  expect(readFileSync(ca, "utf8")).toContain("BEGIN CERTIFICATE");
  const trusted = await run(hostile(trap), { integration: { ...integration, ca_file: ca }, event });
  expect(trusted.answer).toMatchObject({ code: "wrapping_token_not_known" });
});

test("the runner says what is wrong with a configuration", async () => {
  const integration = { address: "http://vault.example.com", creation_paths: [CREATION_PATH] };
  expect((await run({}, { integration, event: {} })).answer).toMatchObject({ error: "Configuration" });
  const missing = { ...integration, address: "https://vault.example.com", ca_file: "/nowhere/ca.pem" };
  expect((await run({}, { integration: missing, event: {} })).answer).toMatchObject({ error: "Configuration" });
});
