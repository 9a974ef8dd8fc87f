// The token after all checks, and what is read with it. Secrets are private fields, which neither `inspect` nor JSON shows.

import { type Auth, giveBack, lifeOf } from "./auth.js";
import { type Caller, isObject } from "./context.js";
import { answerInvalid, type Call, callInvalid, CallFailure } from "./failure.js";
import { Life, sendUntilKnown } from "./lag.js";
import type { Answer, Transport } from "./transport.js";

// For users whose TypeScript library is older than `await using`. Where it is not, these are the same declarations again.
declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
  interface Disposable {
    [Symbol.dispose](): void;
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>;
  }
}

interface MadeFor {
  readonly grant: string;
  readonly caller: Caller;
  readonly creationPath: string;
}

/** A Vault token that passed every check, and who it was made for. Revoked at the end of its scope. */
export class VaultToken implements AsyncDisposable {
  /** Who is calling, as the authorizer verified it. */
  readonly caller: Caller;
  /** The grant that matched the caller. */
  readonly grant: string;
  /** The token's handle: safe to log, and what joins this log with the authorizer's and Vault's. */
  readonly accessor: string;
  /** The path the token was made at. */
  readonly creationPath: string;
  readonly policies: readonly string[];
  /** How long the token lives, from when it was made. */
  readonly leaseSeconds: number;
  readonly #vault: Transport;
  readonly #auth: Auth;
  readonly #life: Life;
  #used = 0;
  #isEnded = false;

  /** @internal */
  constructor(vault: Transport, auth: Auth, { grant, caller, creationPath }: MadeFor) {
    this.caller = caller;
    this.grant = grant;
    this.accessor = auth.accessor;
    this.creationPath = creationPath;
    this.policies = auth.policies;
    this.leaseSeconds = auth.leaseSeconds;
    this.#vault = vault;
    this.#auth = auth;
    this.#life = lifeOf(auth);
  }

  /** Reads `path`, written without `/v1/`. */
  async read(path: string): Promise<Secret> {
    const answer = await this.#send({ method: "GET", path });
    if (!isObject(answer["data"])) throw answerInvalid(path, "it holds no data").toError();
    return new Secret(answer["data"], answer);
  }

  /** Writes `data` to `path`, such as `pki/issue/<role>`. Where Vault answers with nothing, so does this. */
  async write(path: string, data: Readonly<Record<string, unknown>> = {}): Promise<Secret> {
    const answer = await this.#send({ method: "POST", path, body: data });
    return new Secret(isObject(answer["data"]) ? answer["data"] : {}, answer);
  }

  /** The KV version 2 secrets engine at `mount`. Version 1 is read with {@link read}. */
  kv(mount: string): Kv {
    return new Kv(this, mount);
  }

  /** The database secrets engine at `mount`. */
  database(mount: string): Database {
    return new Database(this, mount);
  }

  /**
   * Gives the token back, and with it every lease read with it. A failure is logged and never thrown: it must not hide what the
   * scope threw, and the token ends by its TTL.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await giveBack(this.#vault, this.#auth, this.#remainingLife());
  }

  async #send(call: Call): Promise<Answer> {
    if (this.#isEnded) {
      throw callInvalid(call.path, "the token's scope has ended and the token was revoked; await the call in it").toError();
    }
    const outcome = await sendUntilKnown(
      this.#vault,
      { ...call, token: this.#auth.clientToken },
      this.#remainingLife(),
      (failure) => this.#mayRepeat(call, failure),
    );
    // A node that knows the token counts the use, also where it refuses the call.
    if (!(outcome instanceof CallFailure)) this.#used += 1;
    else if (!outcome.mayBeLag && !outcome.notSent) this.#used += 1;
    if (outcome instanceof CallFailure) throw outcome.toError();
    return outcome;
  }

  /** A read that fails half way may have been counted as a use, so a token of few uses does not repeat it. */
  #mayRepeat(call: Call, failure: CallFailure): boolean {
    if (failure.mayBeLag) return true;
    return call.method === "GET" && this.#auth.numUses === 0 && failure.code === "vault_unavailable";
  }

  /** After its last use Vault does not know the token any more, and that is not lag. */
  #remainingLife(): Life {
    const { numUses } = this.#auth;
    return numUses > 0 && this.#used >= numUses ? new Life(0) : this.#life;
  }
}

/** What was read. `inspect` and JSON show the lease alone. */
export class Secret {
  /** The lease of a dynamic secret. */
  readonly lease: Lease | undefined;
  readonly #data: Readonly<Record<string, unknown>>;

  /** @internal */
  constructor(data: Readonly<Record<string, unknown>>, answer: Answer) {
    this.#data = data;
    const { lease_id: id, lease_duration: seconds } = answer;
    const isLease = typeof id === "string" && id !== "" && typeof seconds === "number";
    this.lease = isLease ? new Lease(id, seconds, answer["renewable"] === true) : undefined;
  }

  /** The secret, as Vault wrote it. */
  get data(): Readonly<Record<string, unknown>> {
    return this.#data;
  }
}

/** The lease of a dynamic secret. It ends with the token. */
export class Lease {
  readonly durationSeconds: number;
  readonly renewable: boolean;
  readonly #id: string;

  /** @internal */
  constructor(id: string, durationSeconds: number, renewable: boolean) {
    this.#id = id;
    this.durationSeconds = durationSeconds;
    this.renewable = renewable;
  }

  /** Names the path and can revoke the secret: log a hash of it. */
  get id(): string {
    return this.#id;
  }
}

/** A KV version 2 secrets engine. */
export class Kv {
  readonly #token: VaultToken;
  readonly #mount: string;

  /** @internal */
  constructor(token: VaultToken, mount: string) {
    this.#token = token;
    this.#mount = mount;
  }

  /** The fields of the newest version of the secret at `path`. */
  async get(path: string): Promise<Readonly<Record<string, unknown>>> {
    const dataPath = `${this.#mount}/data/${path}`;
    const { data } = await this.#token.read(dataPath);
    if (isObject(data["data"])) return data["data"];
    throw answerInvalid(dataPath, "it holds no fields; a KV version 1 secret is read with `read`").toError();
  }
}

/** A database secrets engine. */
export class Database {
  readonly #token: VaultToken;
  readonly #mount: string;

  /** @internal */
  constructor(token: VaultToken, mount: string) {
    this.#token = token;
    this.#mount = mount;
  }

  /** New credentials of `role`. They end when the token is revoked, at the end of its scope. */
  async credentials(role: string): Promise<Credentials> {
    const path = `${this.#mount}/creds/${role}`;
    const { data, lease } = await this.#token.read(path);
    const { username, password } = data;
    if (typeof username === "string" && typeof password === "string" && lease !== undefined) {
      return new Credentials(username, password, lease.durationSeconds);
    }
    throw answerInvalid(path, "it holds no username and password with a lease").toError();
  }
}

/** Database credentials. `inspect` and JSON do not show the password. */
export class Credentials {
  readonly username: string;
  readonly leaseSeconds: number;
  readonly #password: string;

  /** @internal */
  constructor(username: string, password: string, leaseSeconds: number) {
    this.username = username;
    this.leaseSeconds = leaseSeconds;
    this.#password = password;
  }

  get password(): string {
    return this.#password;
  }
}
