// What the authorizer tells the integration with each request, as API Gateway carries it. Nothing here trusts the values:
// `opening.ts` compares them with the integration's own configuration.

import { contextInvalid, noContext } from "./errors.js";

const CONTEXT_VERSION = "1";
/** API Gateway allows 10,240 for all headers together. */
const MAX_VALUE_BYTES = 2048;
const MAX_U64 = 2n ** 64n - 1n;

/** The whole contract: each key of API Gateway's flat context, and the header that a container gets its value in. */
export const HEADERS = {
  vaultWrappingToken: "x-vault-context-wrapping-token",
  vaultWrappedAccessor: "x-vault-context-wrapped-accessor",
  vaultCreationPath: "x-vault-context-creation-path",
  vaultAddress: "x-vault-context-address",
  vaultNamespace: "x-vault-context-namespace",
  vaultWrapExpiresAt: "x-vault-context-wrap-expires-at",
  vaultGrant: "x-vault-context-grant",
  callerKind: "x-vault-context-caller-kind",
  callerIssuer: "x-vault-context-caller-issuer",
  callerId: "x-vault-context-caller-id",
  callerBinding: "x-vault-context-caller-binding",
  contextVersion: "x-vault-context-version",
} as const;

type Key = keyof typeof HEADERS;

const KEYS = Object.keys(HEADERS) as Key[];
const KEY_OF_HEADER: ReadonlyMap<string, Key> = new Map(KEYS.map((key) => [HEADERS[key], key]));
const KEYS_OF_A_TOKEN: readonly Key[] = [
  "vaultWrappingToken",
  "vaultWrappedAccessor",
  "vaultCreationPath",
  "vaultAddress",
  "vaultNamespace",
  "vaultWrapExpiresAt",
];

const CALLER_KINDS = ["jwt", "aws_identity", "aws_iam"] as const;
const CALLER_BINDINGS = ["none", "dpop", "mtls"] as const;

/** Who is calling, as the authorizer verified it. */
export interface Caller {
  /** How the caller proved it: with a JWT, a presigned `GetCallerIdentity`, or a JWT of `sts:GetWebIdentityToken`. */
  readonly kind: (typeof CALLER_KINDS)[number];
  /** The configured name of the JWT's issuer. */
  readonly issuer?: string;
  /** `<issuer name>:<user claim>`, or the canonical ARN. */
  readonly id: string;
  /** What the caller proved to hold beside the token. */
  readonly binding: (typeof CALLER_BINDINGS)[number];
}

/**
 * Request headers: `Headers`, pairs of name and value, Node's `rawHeaders`, or an object of names. Prefer `rawHeaders` or
 * `headersDistinct` to Node's `headers`, which joins a header that was sent twice into one value.
 */
export type HeaderSource =
  | readonly string[]
  | Iterable<readonly [string, string]>
  | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface Context {
  readonly grant: string;
  readonly caller: Caller;
  readonly wrapped: Wrapped | undefined;
}

/** A wrapped Vault token and what it takes to check it. */
export interface Wrapped {
  readonly token: string;
  readonly accessor: string;
  readonly creationPath: string;
  readonly address: string;
  readonly namespace: string | undefined;
  readonly expiresAtMs: number;
}

type Values = Map<Key, string>;

/** Reads the event of a Lambda proxy integration, of any API type. */
export function contextOfEvent(event: unknown): Context {
  const authorizer = member(member(event, "requestContext"), "authorizer");
  // A REST authorizer cannot put an object into its context, so an object called `lambda` is payload 2.0's.
  const lambda = member(authorizer, "lambda");
  const context = isObject(lambda) ? lambda : authorizer;
  if (!isObject(context)) throw noContext();
  const present = KEYS.filter((key) => Object.hasOwn(context, key));
  return contextOf(present.map((key) => [key, context[key]]));
}

/** Names are compared without case and with `_` as `-`, as lenient servers do, so two spellings are seen as two values. */
export function contextOfHeaders(headers: HeaderSource): Context {
  const entries: [Key, unknown][] = [];
  for (const [name, value] of headerPairs(headers)) {
    const key = KEY_OF_HEADER.get(name.toLowerCase().replaceAll("_", "-"));
    if (key !== undefined) entries.push([key, value]);
  }
  return contextOf(entries);
}

function* headerPairs(headers: HeaderSource): Iterable<readonly [string, unknown]> {
  if (isRawHeaders(headers)) {
    for (let at = 0; at + 1 < headers.length; at += 2) yield [headers[at] as string, headers[at + 1]];
  } else if (Symbol.iterator in headers) {
    yield* headers as Iterable<readonly [string, string]>;
  } else {
    for (const [name, value] of Object.entries(headers)) {
      for (const one of Array.isArray(value) ? value : [value]) yield [name, one];
    }
  }
}

function isRawHeaders(headers: HeaderSource): headers is readonly string[] {
  return Array.isArray(headers) && headers.every((part) => typeof part === "string");
}

function contextOf(entries: Iterable<readonly [Key, unknown]>): Context {
  const values = checkedValues(entries);
  if (values.size === 0) throw noContext();
  if (required(values, "contextVersion") !== CONTEXT_VERSION) {
    throw contextInvalid(`has a \`contextVersion\` other than ${CONTEXT_VERSION}`);
  }
  return { grant: required(values, "vaultGrant"), caller: callerOf(values), wrapped: wrappedOf(values) };
}

function checkedValues(entries: Iterable<readonly [Key, unknown]>): Values {
  const values: Values = new Map();
  const seen = new Set<Key>();
  for (const [key, given] of entries) {
    if (seen.has(key)) throw invalid(key, "it was sent more than once");
    seen.add(key);
    const value = flat(key, given);
    if (Buffer.byteLength(value) > MAX_VALUE_BYTES) throw invalid(key, "it is too long");
    if (/\p{Cc}/u.test(value)) throw invalid(key, "it contains a control character");
    if (value !== "") values.set(key, value);
  }
  return values;
}

/** API Gateway makes strings of numbers and booleans, and so does this. */
function flat(key: Key, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "object" || typeof value === "function") throw invalid(key, "it is not a string");
  return String(value);
}

function callerOf(values: Values): Caller {
  const kind = oneOf(CALLER_KINDS, required(values, "callerKind"));
  if (kind === undefined) throw invalid("callerKind", "it is not a kind of caller");
  const id = required(values, "callerId");
  // An authorizer that is older than this key has proven nothing.
  const binding = oneOf(CALLER_BINDINGS, values.get("callerBinding") ?? "none");
  if (binding === undefined) throw invalid("callerBinding", "it is not a kind of binding");
  const issuer = values.get("callerIssuer");
  return issuer === undefined ? { kind, id, binding } : { kind, issuer, id, binding };
}

/** A token's keys come together or not at all. */
function wrappedOf(values: Values): Wrapped | undefined {
  if (!KEYS_OF_A_TOKEN.some((key) => values.has(key))) return undefined;
  const token = required(values, "vaultWrappingToken");
  if (!isVisibleAscii(token)) throw invalid("vaultWrappingToken", "it is not a token");
  return {
    token,
    accessor: required(values, "vaultWrappedAccessor"),
    creationPath: required(values, "vaultCreationPath"),
    address: required(values, "vaultAddress"),
    namespace: values.get("vaultNamespace"),
    expiresAtMs: unixSeconds("vaultWrapExpiresAt", required(values, "vaultWrapExpiresAt")) * 1000,
  };
}

function unixSeconds(key: Key, value: string): number {
  if (!/^[0-9]+$/.test(value) || BigInt(value) > MAX_U64) throw invalid(key, "it is not a time in Unix seconds");
  return Number(value);
}

function required(values: Values, key: Key): string {
  const value = values.get(key);
  if (value === undefined) throw contextInvalid(`has no \`${key}\``);
  return value;
}

/** Names the key and never quotes the value, which may be a token. */
function invalid(key: Key, reason: string): Error {
  return contextInvalid(`has an invalid \`${key}\` (${reason})`);
}

function oneOf<T extends string>(known: readonly T[], value: string): T | undefined {
  return known.find((one) => one === value);
}

function member(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isVisibleAscii(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
