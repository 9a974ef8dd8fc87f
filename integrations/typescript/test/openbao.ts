// A real OpenBao in development mode, on a free port of this machine.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import type { Readable } from "node:stream";

export interface OpenBao {
  readonly address: string;
  stop(): Promise<void>;
}

const ROOT_TOKEN = "root";

/** Vitest calls this once, before all tests. */
export default async function setup(): Promise<() => Promise<void>> {
  const openbao = await startOpenBao();
  process.env["VAULT_ADDR"] = openbao.address;
  process.env["VAULT_TOKEN"] = ROOT_TOKEN;
  return openbao.stop;
}

export async function startOpenBao(tlsDirectory?: string): Promise<OpenBao> {
  const binary = process.env["OPENBAO"];
  if (!binary) throw new Error("set OPENBAO to the path of OpenBao's binary (`bao`)");
  const listen = `127.0.0.1:${await freePort()}`;
  const tls = tlsDirectory === undefined ? ["-dev"] : ["-dev-tls", `-dev-tls-cert-dir=${tlsDirectory}`];
  const flags = [...tls, `-dev-root-token-id=${ROOT_TOKEN}`, `-dev-listen-address=${listen}`, "-dev-no-store-token"];
  const server = spawn(binary, ["server", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(server, "exit");
  await untilSaid([server.stdout, server.stderr], "Development mode should NOT be used", exited);
  const stop = async () => {
    server.kill();
    await exited;
  };
  return { address: `${tlsDirectory === undefined ? "http" : "https"}://${listen}`, stop };
}

/** What OpenBao prints last, once it serves. */
async function untilSaid(outputs: readonly Readable[], words: string, exited: Promise<unknown>): Promise<void> {
  let said = "";
  const heard = new Promise<void>((resolve) => {
    const listen = (chunk: Buffer) => {
      said += String(chunk);
      if (said.includes(words)) resolve();
    };
    for (const output of outputs) output.on("data", listen);
  });
  await Promise.race([heard, exited.then(() => Promise.reject(new Error(`OpenBao did not start: ${said}`)))]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
