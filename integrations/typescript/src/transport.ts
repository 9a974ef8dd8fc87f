// HTTP to one Vault: headers, time limits, connections. Reads no environment variable and follows no redirect.

import * as http from "node:http";
import * as https from "node:https";

import { basePath } from "./address.js";
import type { Config } from "./config.js";
import {
  answerInvalid,
  answerTooLarge,
  callInvalid,
  type Call,
  CallFailure,
  parsedObject,
  refusal,
  type Reply,
  timedOut,
  unreachable,
} from "./failure.js";

/** The body of an answer of Vault's; empty for a 204. */
export type Answer = Record<string, unknown>;

const VERSION = "0.1.0";
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_CONNECT_MS = 1000;

export class Transport {
  readonly #config: Config;
  #agent: http.Agent;

  constructor(config: Config) {
    this.#config = config;
    this.#agent = this.#newAgent();
  }

  /** Sends one call, once. Where another node might have answered otherwise, later calls open a new connection. */
  async send(call: Call): Promise<Answer | CallFailure> {
    const agent = this.#agent;
    const outcome = await this.#exchange(call, agent);
    if (outcome instanceof CallFailure && outcome.mayBeOneNodesOwn) this.#forget(agent);
    return outcome;
  }

  async #exchange(call: Call, agent: http.Agent): Promise<Answer | CallFailure> {
    if (!isPath(call.path)) return callInvalid(String(call.path), "it is not a path of plain segments");
    const body = jsonOf(call.body);
    if (body === undefined) return callInvalid(call.path, "its body has no JSON form");
    const reply = await this.#roundTrip(call, body, agent);
    if (reply instanceof CallFailure) return reply;
    if (reply.status < 200 || reply.status > 299) return refusal(call, reply);
    if (reply.status === 204) return {};
    return parsedObject(reply.body) ?? answerInvalid(call.path, "it is not a JSON object");
  }

  #roundTrip(call: Call, body: string, agent: http.Agent): Promise<Reply | CallFailure> {
    return new Promise((resolve) => {
      const { address, timeoutMs } = this.#config;
      const options = { agent, method: call.method, headers: this.#headers(call, body) };
      const request = clientOf(address).request(urlOf(address, call.path), options);
      let isConnected = false;
      const settle = (outcome: Reply | CallFailure) => {
        clearTimeout(connecting);
        clearTimeout(whole);
        resolve(outcome);
        // A connection whose answer was not read to its end is of no further use.
        if (outcome instanceof CallFailure) request.destroy();
      };
      const broken = (error?: NodeJS.ErrnoException) => settle(unreachable(call.path, !isConnected, error));
      const connecting = setTimeout(broken, Math.min(MAX_CONNECT_MS, timeoutMs));
      const whole = setTimeout(() => (isConnected ? settle(timedOut(call.path)) : broken()), timeoutMs);
      onConnected(request, address, () => {
        isConnected = true;
        clearTimeout(connecting);
      });
      request.on("error", broken);
      request.on("response", (response) => {
        void read(response, call.path).then((outcome) => settle(outcome ?? unreachable(call.path, false)));
      });
      request.end(body);
    });
  }

  #headers(call: Call, body: string): http.OutgoingHttpHeaders {
    const { namespace } = this.#config;
    return {
      "User-Agent": `vault-context-typescript/${VERSION}`,
      Accept: "application/json",
      "X-Vault-Request": "true",
      ...(namespace !== undefined && { "X-Vault-Namespace": namespace }),
      ...(call.token !== undefined && { "X-Vault-Token": call.token }),
      ...(body !== "" && { "Content-Type": "application/json" }),
      ...(call.method === "POST" && { "Content-Length": Buffer.byteLength(body) }),
    };
  }

  /** Behind a load balancer a kept connection leads to one node. Calls under way keep theirs until they are done. */
  #forget(agent: http.Agent): void {
    if (agent !== this.#agent) return;
    this.#agent = this.#newAgent();
    agent.maxFreeSockets = 0;
    for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** An agent of its own, since the global one may go through a proxy that the environment names. */
  #newAgent(): http.Agent {
    const { address, ca } = this.#config;
    if (address.protocol === "http:") return new http.Agent({ keepAlive: true });
    // Written out, since NODE_TLS_REJECT_UNAUTHORIZED would turn it off otherwise.
    return new https.Agent({ keepAlive: true, rejectUnauthorized: true, ...(ca !== undefined && { ca }) });
  }
}

function clientOf(address: URL): typeof http | typeof https {
  return address.protocol === "http:" ? http : https;
}

/** Each segment is encoded on its own, so that a path can neither climb nor grow a query. */
function urlOf(address: URL, path: string): URL {
  const segments = path.split("/").map(encodeURIComponent);
  return new URL(`${address.origin}${basePath(address)}/v1/${segments.join("/")}`);
}

/** `\p{Cs}` is half a letter, which has no encoding. */
function isPath(path: unknown): path is string {
  if (typeof path !== "string" || /[?#\\\p{Cc}\p{Cs}]/u.test(path)) return false;
  return path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
}

function jsonOf(body: unknown): string | undefined {
  if (body === undefined) return "";
  try {
    return JSON.stringify(body);
  } catch {
    return undefined;
  }
}

function onConnected(request: http.ClientRequest, address: URL, connected: () => void): void {
  request.once("socket", (socket) => {
    if (request.reusedSocket) connected();
    else socket.once(address.protocol === "http:" ? "connect" : "secureConnect", connected);
  });
}

/** The whole answer, or `undefined` where the connection broke. */
async function read(response: http.IncomingMessage, path: string): Promise<Reply | CallFailure | undefined> {
  const status = response.statusCode ?? 0;
  const reply = { status, retryAfter: response.headers["retry-after"] };
  const isSuccess = status >= 200 && status <= 299;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) throw new RangeError("too large");
      chunks.push(chunk);
    }
    return { ...reply, body: Buffer.concat(chunks).toString("utf8") };
  } catch {
    // The status says enough where the text of a refusal is not to be had.
    if (!isSuccess) return { ...reply, body: "" };
    return length > MAX_ANSWER_BYTES ? answerTooLarge(path, MAX_ANSWER_BYTES) : undefined;
  }
}
