// What an integration knows for itself, checked once at start. Nothing in a request changes it.

import { X509Certificate } from "node:crypto";

import { addressProblem } from "./address.js";
import { isObject, isVisibleAscii } from "./context.js";
import type { IntegrationOptions } from "./options.js";

export interface Config {
  readonly address: URL;
  readonly creationPaths: ReadonlySet<string>;
  readonly namespace: string | undefined;
  readonly ca: string | undefined;
  readonly maxLeaseSeconds: number;
  readonly timeoutMs: number;
  readonly allowIdentityPolicies: boolean;
}

const NAMES: ReadonlySet<string> = new Set<keyof IntegrationOptions>([
  "address",
  "creationPaths",
  "namespace",
  "ca",
  "maxLeaseSeconds",
  "timeoutMs",
  "allowIdentityPolicies",
]);
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** Node's timers hold no more. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Throws a `TypeError` or a `RangeError` that says what to write instead. */
export function checkedConfig(options: IntegrationOptions): Config {
  if (!isObject(options)) throw new TypeError("pass an object: new Integration({ address, creationPaths })");
  const unknown = Object.keys(options).find((name) => !NAMES.has(name));
  if (unknown !== undefined) throw new TypeError(`\`${unknown}\` is not an option; there are ${[...NAMES].join(", ")}`);
  return {
    address: address(options.address),
    creationPaths: creationPaths(options.creationPaths),
    namespace: given("namespace", "string", options.namespace, namespace),
    ca: given("ca", "string", options.ca, ca),
    maxLeaseSeconds: number("maxLeaseSeconds", options.maxLeaseSeconds ?? 900, Number.MAX_SAFE_INTEGER),
    timeoutMs: number("timeoutMs", options.timeoutMs ?? 5000, MAX_TIMEOUT_MS),
    allowIdentityPolicies: given("allowIdentityPolicies", "boolean", options.allowIdentityPolicies, (allow) => allow) ?? false,
  };
}

function address(address: string): URL {
  if (typeof address !== "string") throw new TypeError("`address` must be a string such as https://vault.example.com:8200");
  const problem = addressProblem(address);
  // The address is not quoted: it could hold a password.
  if (problem !== undefined) throw new RangeError(`\`address\` ${problem}; write, for example, https://vault.example.com:8200`);
  return new URL(address);
}

function creationPaths(paths: readonly string[]): ReadonlySet<string> {
  if (!Array.isArray(paths)) throw new TypeError("`creationPaths` must be a list of strings");
  if (paths.length === 0) throw new RangeError("`creationPaths` is empty: name the `auth/token/create/<role>` of each grant");
  for (const path of paths) {
    if (isCreationPath(path)) continue;
    const example = "such as auth/token/create/orders-prod-reader";
    throw new RangeError(`\`creationPaths\` has ${JSON.stringify(path)}, which is not a creation path ${example}`);
  }
  return new Set(paths);
}

/** Below `auth/`: anyone can put anything at `sys/wrapping/wrap` and `cubbyhole/…`. No patterns: paths are compared exactly. */
function isCreationPath(path: unknown): boolean {
  if (typeof path !== "string") return false;
  const [mount, ...rest] = path.split("/");
  return mount === "auth" && rest.length >= 2 && rest.every(isPlainSegment);
}

function isPlainSegment(segment: string): boolean {
  return isVisibleAscii(segment) && segment !== "." && segment !== ".." && !/[*?#{\\]/.test(segment);
}

function namespace(namespace: string): string {
  const trimmed = namespace.replace(/^\/+/, "").replace(/\/+$/, "");
  if (isVisibleAscii(trimmed)) return trimmed;
  throw new RangeError("`namespace` must be a path of visible ASCII such as platform/team1; leave it out if there is none");
}

/** Node ignores what is not a certificate, and would then trust nobody, or not whom the reader believes. */
function ca(pem: string): string {
  const certificates = pem.match(PEM) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate)) {
    throw new RangeError("`ca` must be the text of PEM certificates (-----BEGIN CERTIFICATE-----), not a file's name");
  }
  return pem;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}

function number(name: string, value: number, most: number): number {
  if (typeof value !== "number") throw new TypeError(`\`${name}\` must be a number`);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new RangeError(`\`${name}\` must be a whole number from 1 to ${most}`);
  }
  return value;
}

function given<T extends string | boolean>(
  name: string,
  type: "string" | "boolean",
  value: T | undefined,
  check: (value: T) => T,
): T | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== type) throw new TypeError(`\`${name}\` must be a ${type}`);
  return check(value);
}
