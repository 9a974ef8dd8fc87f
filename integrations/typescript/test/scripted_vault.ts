// A server that answers as Vault does, except where a test says otherwise.
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { onTestFinished } from "vitest";

import { Integration, type IntegrationOptions } from "../src/index.js";

export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** What happens to a call: it is answered, its connection breaks, or nothing comes back. */
export type Step = Reply | "cut" | "hang";

export interface Received {
  readonly call: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Counts the connections from 0. */
  readonly connection: number;
}

export const CREATION_PATH = "auth/token/create/orders-prod-reader";
export const WRAPPING_TOKEN = "s.WrappingTokenWrappingToken";
export const CLIENT_TOKEN = "s.ClientTokenClientTokenClient";

export const LAGS: Reply = { status: 400, body: { errors: ["wrapping token is not valid or does not exist"] } };
export const NOT_KNOWN: Reply = { status: 403, body: { errors: ["permission denied"] } };

const AUTH = {
  client_token: CLIENT_TOKEN,
  accessor: "the-accessor",
  policies: ["default"],
  identity_policies: null,
  lease_duration: 60,
  num_uses: 0,
  token_type: "service",
};

export class ScriptedVault {
  readonly received: Received[] = [];
  readonly #server: Server;
  readonly #script: Map<string, Step[]>;
  readonly #connections: Socket[] = [];

  /** `script` says what happens to the first calls of a path; the last step of a list that ends in `"…"` is for all others. */
  static async start(script: Readonly<Record<string, readonly (Step | "…")[]>> = {}): Promise<ScriptedVault> {
    const vault = new ScriptedVault(script);
    await new Promise<void>((resolve) => vault.#server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => vault.#stop());
    return vault;
  }

  private constructor(script: Readonly<Record<string, readonly (Step | "…")[]>>) {
    this.#script = new Map(Object.entries(script).map(([call, steps]) => [call, steps as Step[]]));
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { method = "", url = "" } = request;
        const call = callOf(method, url);
        const connection = this.#connections.indexOf(request.socket);
        this.received.push({ call, url, headers: request.headers, body: Buffer.concat(chunks).toString(), connection });
        const step = this.#next(call);
        if (step === "cut") request.socket.destroy();
        if (typeof step === "string") return;
        const body = step.body === undefined ? "" : typeof step.body === "string" ? step.body : JSON.stringify(step.body);
        response.writeHead(step.status, step.headers).end(body);
      });
    });
    this.#server.on("connection", (socket) => this.#connections.push(socket));
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get calls(): string[] {
    return this.received.map(({ call }) => call);
  }

  integration(options: Partial<IntegrationOptions> = {}): Integration {
    return new Integration({ address: this.address, creationPaths: [CREATION_PATH], ...options });
  }

  event(changed: Readonly<Record<string, unknown>> = {}): unknown {
    return { requestContext: { authorizer: contextOf(this.address, changed) } };
  }

  #next(call: string): Step {
    const steps = this.#script.get(call) ?? [];
    const [first, second] = steps as (Step | "…")[];
    if (first === undefined) return usual(call);
    if (second !== "…") steps.shift();
    return first as Step;
  }

  async #stop(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function unwrapped(changed: Readonly<Record<string, unknown>>): Reply {
  return { status: 200, body: { auth: { ...AUTH, ...changed } } };
}

export function contextOf(address: string, changed: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    vaultWrappingToken: WRAPPING_TOKEN,
    vaultWrappedAccessor: AUTH.accessor,
    vaultCreationPath: CREATION_PATH,
    vaultAddress: address,
    vaultWrapExpiresAt: "4000000000",
    vaultGrant: "orders-reader",
    callerKind: "jwt",
    callerIssuer: "corp",
    callerId: "corp:alice",
    callerBinding: "none",
    contextVersion: "1",
    ...changed,
  };
}

function callOf(method: string, url: string): string {
  const path = url.replace(/^.*?\/v1\//, "");
  const names: Record<string, string> = {
    "sys/wrapping/lookup": "lookup",
    "sys/wrapping/unwrap": "unwrap",
    "auth/token/revoke-self": "revoke",
  };
  return names[path] ?? `${method} ${path}`;
}

function usual(call: string): Reply {
  if (call === "lookup") return { status: 200, body: { data: { creation_path: CREATION_PATH } } };
  if (call === "unwrap") return unwrapped({});
  if (call === "revoke") return { status: 204 };
  return { status: 200, body: { data: { data: { user: "orders" } } } };
}
