// For tests without AWS: a fixture that makes wrapped tokens as the authorizer does, in a development Vault. `VAULT_ADDR` and
// `VAULT_TOKEN` of that server are read here and nowhere else in this package.

import { test as base } from "vitest";

import { addressProblem } from "./address.js";
import { type Caller, HEADERS } from "./context.js";

/** What to put into the context. Each has a default. */
export interface ContextOptions {
  /** The token role, made if it is not there. Default: `vault-context-test`. */
  readonly role?: string;
  /** The policies of the token. Default: `default`, which allows revoking it and little more. */
  readonly policies?: readonly string[];
  readonly ttlSeconds?: number;
  readonly wrapTtlSeconds?: number;
  readonly grant?: string;
  readonly caller?: Caller;
}

/** One request's context, with a real wrapped token in it. */
export interface TestContext {
  /** For `new Integration({ address, creationPaths: [creationPath] })`. */
  readonly address: string;
  readonly creationPath: string;
  /** The accessor of the token inside. */
  readonly accessor: string;
  /** The context as API Gateway gets it from the authorizer. */
  readonly context: Readonly<Record<string, string>>;
  /** An event of a REST API that carries it. */
  readonly event: { readonly requestContext: { readonly authorizer: Readonly<Record<string, string>> } };
  /** The same as the headers that a container gets. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Makes the context of one more request. */
export type MakeContext = (options?: ContextOptions) => Promise<TestContext>;

/** Vitest's `test` with `vaultContext`. The tokens are revoked when the test is over. */
export const test = base.extend<{ vaultContext: MakeContext }>({
  // Vitest reads the names of the fixtures it needs from this pattern.
  vaultContext: async ({}, use) => {
    const vault = developmentVault(process.env);
    const accessors: string[] = [];
    await use(async (options = {}) => {
      const made = await makeContext(vault, options);
      accessors.push(made.accessor);
      return made;
    });
    for (const accessor of accessors) await revoke(vault, accessor);
  },
});

interface DevelopmentVault {
  readonly address: string;
  readonly token: string;
}

interface WrapInfo {
  readonly token: string;
  readonly ttl: number;
  readonly creation_path: string;
  readonly wrapped_accessor: string;
}

/** @internal */
export function developmentVault({ VAULT_ADDR: address, VAULT_TOKEN: token }: NodeJS.ProcessEnv): DevelopmentVault {
  if (!address || !token) {
    throw new Error("set VAULT_ADDR and VAULT_TOKEN to those of a development server (`bao server -dev`, `vault server -dev`)");
  }
  // Its role has no list of policies, so another machine's Vault is out of bounds.
  if (addressProblem(address) !== undefined || new URL(address).protocol !== "http:") {
    throw new Error("VAULT_ADDR must be http:// and a loopback host: the fixture writes a token role");
  }
  return { address, token };
}

async function makeContext(vault: DevelopmentVault, options: ContextOptions): Promise<TestContext> {
  const { role = "vault-context-test", policies = ["default"], ttlSeconds = 60, wrapTtlSeconds = 60 } = options;
  const found = await send(vault, "GET", `auth/token/roles/${role}`);
  const service = { orphan: true, renewable: false, token_type: "service" };
  if (found.status === 404) await write(vault, `auth/token/roles/${role}`, service);
  const body = { policies, ttl: `${ttlSeconds}s` };
  const { wrap_info } = await write(vault, `auth/token/create/${role}`, body, { "X-Vault-Wrap-TTL": `${wrapTtlSeconds}s` });
  const context = contextOf(vault.address, wrap_info as WrapInfo, options);
  return {
    address: vault.address,
    creationPath: context.vaultCreationPath,
    accessor: context.vaultWrappedAccessor,
    context,
    event: { requestContext: { authorizer: context } },
    headers: Object.fromEntries(Object.entries(context).map(([key, value]) => [HEADERS[key as keyof typeof context], value])),
  };
}

function contextOf(address: string, wrapInfo: WrapInfo, { grant = "test", caller }: ContextOptions) {
  const { kind, issuer, id, binding } = caller ?? { kind: "jwt", issuer: "test", id: "test:alice", binding: "none" };
  return {
    vaultWrappingToken: wrapInfo.token,
    vaultWrappedAccessor: wrapInfo.wrapped_accessor,
    vaultCreationPath: wrapInfo.creation_path,
    vaultAddress: address,
    vaultWrapExpiresAt: String(Math.floor(Date.now() / 1000) + wrapInfo.ttl),
    vaultGrant: grant,
    callerKind: kind,
    ...(issuer !== undefined && { callerIssuer: issuer }),
    callerId: id,
    callerBinding: binding,
    contextVersion: "1",
  };
}

/** A token that the code under test has revoked is no problem. */
async function revoke(vault: DevelopmentVault, accessor: string): Promise<void> {
  await send(vault, "POST", "auth/token/revoke-accessor", { accessor });
}

async function write(vault: DevelopmentVault, path: string, body: unknown, headers?: Record<string, string>) {
  const response = await send(vault, "POST", path, body, headers);
  const text = await response.text();
  if (!response.ok) throw new Error(`the development Vault refused \`${path}\` (status ${response.status}): ${text}`);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function send(vault: DevelopmentVault, method: string, path: string, body?: unknown, headers?: Record<string, string>) {
  return fetch(`${vault.address.replace(/\/+$/, "")}/v1/${path}`, {
    method,
    headers: { "X-Vault-Token": vault.token, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}
