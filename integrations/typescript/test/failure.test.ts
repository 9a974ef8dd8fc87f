import { expect, test } from "vitest";

import { refusal } from "../src/failure.js";
import { sanitized } from "../src/message.js";

const EMPTY = '{"errors":[]}';

function errors(...texts: string[]): string {
  return JSON.stringify({ errors: texts });
}

test.each([
  [307, "", "vault_unavailable", false],
  [302, "", "vault_answer_invalid", false],
  [400, errors("wrapping token is not valid or does not exist"), "vault_wrapping_token_not_valid", true],
  [400, errors("leadership lost"), "vault_unavailable", false],
  [400, errors("bad request"), "vault_refused", false],
  [403, errors("permission denied"), "vault_token_not_valid", true],
  [403, errors("1 error occurred:\n\t* invalid token\n\n"), "vault_token_not_valid", true],
  [403, errors("1 error occurred:\n\t* permission denied\n\n"), "vault_forbidden", false],
  [403, errors("namespace not authorized"), "vault_refused", false],
  [404, EMPTY, "vault_refused", false],
  [404, "<html>404</html>", "vault_unavailable", false],
  [404, "", "vault_unavailable", false],
  [412, errors("required index state not present"), "vault_unavailable", true],
  [429, EMPTY, "vault_unavailable", true],
  [429, "", "vault_unavailable", true],
  [429, errors("rate limit quota exceeded"), "vault_throttled", false],
  [429, "slow down", "vault_throttled", false],
  [472, EMPTY, "vault_unavailable", false],
  [474, EMPTY, "vault_unavailable", false],
  [475, EMPTY, "vault_refused", false],
  [500, errors("internal error"), "vault_unavailable", false],
  [503, errors("Vault is sealed"), "vault_sealed", false],
  [503, "<html>upstream</html>", "vault_unavailable", false],
  [530, EMPTY, "vault_unavailable", false],
])("status %d with %j is %s, lag: %j", (status, body, code, mayBeLag) => {
  const call = { method: "GET", path: "a/b", token: "s.token" } as const;
  expect(refusal(call, { status, retryAfter: undefined, body })).toMatchObject({ code, mayBeLag });
});

test("a Retry-After makes a throttle of a 429 without any body, and not of a node's", () => {
  const call = { method: "GET", path: "a/b", token: "s.token" } as const;
  expect(refusal(call, { status: 429, retryAfter: "1", body: "" }).code).toBe("vault_throttled");
  expect(refusal(call, { status: 429, retryAfter: "1", body: EMPTY })).toMatchObject({ code: "vault_unavailable", mayBeLag: true });
});

test("without a token a 403 speaks of the path", () => {
  const call = { method: "POST", path: "sys/wrapping/lookup" } as const;
  const body = errors("permission denied");
  expect(refusal(call, { status: 403, retryAfter: undefined, body })).toMatchObject({ code: "vault_refused", mayBeLag: false });
});

test.each([
  ["plain words\nand more", "plain words"],
  ["1 error occurred:\n\t* permission denied\n\n", "permission denied"],
  ["bad token s.sent", "bad token …"],
  ["bad hvs.CAESIJAaaaaaaaaaaaaaaaaaa, sorry", "bad …, sorry"],
  ["bad eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "bad …"],
  ["key AKIAabcdefghijklmnop1234567890", "key …"],
  ["id 0123456789abcdef0123456789abcdef", "id …"],
  [`long ${"x".repeat(64)}`, "long …"],
  ["at secret/data/prod/orders-2024-reader", "at secret/data/prod/orders-2024-reader"],
  ["<html>s.sent</html>", ""],
  ["a\u0000b\u001b[31mc", "ab[31mc"],
])("of %j is kept %j", (text, kept) => {
  expect(sanitized(text, "s.sent")).toBe(kept);
});

test.each(['{"data":{"password":"hunter2"}}', '{"errors":[{"password":"hunter2"}]}'])("nothing of %s is in a message", (body) => {
  const call = { method: "GET", path: "a/b", token: "s.token" } as const;
  const { code, message } = refusal(call, { status: 404, retryAfter: undefined, body });
  expect([code, message]).toEqual(["vault_refused", "Vault refused `a/b` (status 404): no reason given"]);
});

test("a text is bounded", () => {
  expect(sanitized("word ".repeat(1000), undefined).length).toBeLessThanOrEqual(400);
});
