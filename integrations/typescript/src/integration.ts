// The integration's side of vault-authorizer, as a program sees it.

import { checkedConfig, type Config } from "./config.js";
import { contextOfEvent, contextOfHeaders, type HeaderSource } from "./context.js";
import { openToken } from "./opening.js";
import type { IntegrationOptions } from "./options.js";
import type { VaultToken } from "./token.js";
import { Transport } from "./transport.js";

/** One integration's Vault, and the tokens it accepts. Make it once, at start; it serves any number of requests at a time. */
export class Integration {
  readonly #config: Config;
  readonly #vault: Transport;

  /** Throws a `TypeError` or a `RangeError` where an option is not one to start with. */
  constructor(options: IntegrationOptions) {
    this.#config = checkedConfig(options);
    this.#vault = new Transport(this.#config);
  }

  /** Opens the token of a Lambda proxy event, of any API type: `await using token = await integration.open(event)`. */
  async open(event: unknown): Promise<VaultToken> {
    return openToken(this.#config, this.#vault, contextOfEvent(event));
  }

  /** Opens the token of a request to a container behind an HTTP integration. */
  async openHeaders(headers: HeaderSource): Promise<VaultToken> {
    return openToken(this.#config, this.#vault, contextOfHeaders(headers));
  }

  /** Opens the token of `event` for the time that `use` takes, then revokes it. */
  async with<T>(event: unknown, use: (token: VaultToken) => T | Promise<T>): Promise<T> {
    return inScope(await this.open(event), use);
  }

  /** Opens the token of `headers` for the time that `use` takes, then revokes it. */
  async withHeaders<T>(headers: HeaderSource, use: (token: VaultToken) => T | Promise<T>): Promise<T> {
    return inScope(await this.openHeaders(headers), use);
  }
}

async function inScope<T>(token: VaultToken, use: (token: VaultToken) => T | Promise<T>): Promise<T> {
  try {
    return await use(token);
  } finally {
    await token[Symbol.asyncDispose]();
  }
}
