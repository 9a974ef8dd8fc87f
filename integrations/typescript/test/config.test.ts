import { expect, test } from "vitest";

import { Integration } from "../src/index.js";
import { isSameAddress } from "../src/address.js";

const GOOD = { address: "https://vault.example.com:8200", creationPaths: ["auth/token/create/orders-prod-reader"] };

test.each([
  {},
  { address: "https://example.com/vault/" },
  { address: "http://localhost:8200" },
  { address: "http://127.9.9.9" },
  { address: "http://[::1]:8200" },
  { creationPaths: ["auth/jwt/login", "auth/jwt/cel/login"] },
  { namespace: "/platform/team1/" },
  { maxLeaseSeconds: 1, timeoutMs: 1, allowIdentityPolicies: true },
  { namespace: undefined, ca: undefined, maxLeaseSeconds: undefined, timeoutMs: undefined, allowIdentityPolicies: undefined },
])("accepts %j", (options) => {
  expect(() => new Integration({ ...GOOD, ...options })).not.toThrow();
});

test.each([
  [{ address: undefined }, TypeError, "address"],
  [{ address: "" }, RangeError, "visible ASCII"],
  [{ address: "https://vault.example.com\n" }, RangeError, "visible ASCII"],
  [{ address: "https://vault.bücher.example" }, RangeError, "visible ASCII"],
  [{ address: "vault.example.com" }, RangeError, "absolute URL"],
  [{ address: "https://" }, RangeError, "absolute URL"],
  [{ address: "mailto:a@b" }, RangeError, "absolute URL"],
  [{ address: "http://vault.example.com" }, RangeError, "https://"],
  [{ address: "http://localhost.example.com" }, RangeError, "https://"],
  [{ address: "http://127.0.0.1.nip.io" }, RangeError, "https://"],
  [{ address: "http://0.0.0.0:8200" }, RangeError, "https://"],
  [{ address: "https://user:s3cret@vault.example.com" }, RangeError, "user name"],
  [{ address: "https://vault.example.com?" }, RangeError, "query"],
  [{ address: "https://vault.example.com/#a" }, RangeError, "fragment"],
  [{ creationPaths: undefined }, TypeError, "creationPaths"],
  [{ creationPaths: "auth/token/create/x" }, TypeError, "creationPaths"],
  [{ creationPaths: [] }, RangeError, "empty"],
  [{ creationPaths: [undefined] }, RangeError, "creationPaths"],
  ...["auth/token", "auth/token/create/", "/auth/token/create/x", "auth/token/create/*", "auth/token/../x", "auth/a b/c"].map(
    (path) => [{ creationPaths: [...GOOD.creationPaths, path] }, RangeError, path] as const,
  ),
  ...["auth/token/create/{{x}}", "sys/wrapping/wrap", "cubbyhole/x/y", "authx/token/create/y", ""].map(
    (path) => [{ creationPaths: [path] }, RangeError, JSON.stringify(path)] as const,
  ),
  [{ namespace: "" }, RangeError, "namespace"],
  [{ namespace: "//" }, RangeError, "namespace"],
  [{ namespace: "a b" }, RangeError, "namespace"],
  [{ namespace: 1 }, TypeError, "namespace"],
  [{ ca: "/etc/ssl/ca.pem" }, RangeError, "not a file's name"],
  [{ ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" }, RangeError, "ca"],
  [{ maxLeaseSeconds: "900" }, TypeError, "maxLeaseSeconds"],
  [{ maxLeaseSeconds: 0 }, RangeError, "maxLeaseSeconds"],
  [{ timeoutMs: 1.5 }, RangeError, "timeoutMs"],
  [{ timeoutMs: 2 ** 31 }, RangeError, "timeoutMs"],
  [{ allowIdentityPolicies: "no" }, TypeError, "allowIdentityPolicies"],
  [{ creationPath: "auth/token/create/x" }, TypeError, "creationPath"],
] as const)("refuses %j", (options, type, words) => {
  const make = () => new Integration({ ...GOOD, ...options } as never);
  expect(make).toThrow(type);
  expect(make).toThrow(words);
  expect(make).not.toThrow("s3cret");
});

test("refuses to be made without options", () => {
  expect(() => new Integration(undefined as never)).toThrow(TypeError);
});

test.each([
  ["https://vault.example.com", "https://VAULT.example.com:443/", true],
  ["https://example.com/vault", "https://example.com/vault//", true],
  ["http://127.0.0.1:8200", "HTTP://127.0.0.1:8200", true],
  ["https://vault.example.com", "https://vault.example.com:8200", false],
  ["https://vault.example.com", "https://vault.example.com/vault", false],
  ["https://vault.example.com", "https://vault.example.com@evil.example", false],
  ["https://vault.example.com", "https://user@vault.example.com", false],
  ["https://vault.example.com", "https://vault.example.com?", false],
  ["https://vault.example.com", "vault.example.com", false],
  ["https://example.com/Vault", "https://example.com/vault", false],
])("%s and %s: the same is %j", (configured, other, same) => {
  expect(isSameAddress(new URL(configured), other)).toBe(same);
});
