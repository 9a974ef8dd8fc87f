// Addresses that credentials may be sent to, and when two of them are the same.

import { isVisibleAscii } from "./context.js";

/** What is wrong with an address, or `undefined` where nothing is: https, or http to a loopback host, and no more than that. */
export function addressProblem(address: string): string | undefined {
  // The parser drops line ends and tabs without a word.
  if (!isVisibleAscii(address)) return "must be visible ASCII (an internationalised host in its xn-- form)";
  if (!URL.canParse(address) || new URL(address).hostname === "") return "is not an absolute URL with a host";
  const url = new URL(address);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
    return "must start with https:// (http:// is for a loopback host)";
  }
  if (url.username !== "" || url.password !== "") return "must not contain a user name or a password";
  if (address.includes("?")) return "must not contain a query";
  if (address.includes("#")) return "must not contain a fragment";
  return undefined;
}

/** Whether `address`, which may be anything, leads where `configured` does. The parser folds case and default ports. */
export function isSameAddress(configured: URL, address: string): boolean {
  if (addressProblem(address) !== undefined) return false;
  const other = new URL(address);
  return configured.origin === other.origin && basePath(configured) === basePath(other);
}

/** The path of an address without trailing slashes: Vault may stand below one. */
export function basePath(address: URL): string {
  return address.pathname.replace(/\/+$/, "");
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
