import { expect, test } from "vitest";

import { contextOfEvent, contextOfHeaders, HEADERS } from "../src/context.js";
import type { ErrorCode } from "../src/index.js";
import { contextOf } from "./scripted_vault.js";

const CONTEXT = contextOf("https://vault.example.com", { vaultNamespace: "platform" });

function eventOf(changed: Readonly<Record<string, unknown>>): unknown {
  return { requestContext: { authorizer: { ...CONTEXT, ...changed } } };
}

function headersOf(context: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(context).map(([key, value]) => [HEADERS[key as keyof typeof HEADERS], String(value)]);
}

function refusalOf(read: () => unknown): { code: ErrorCode; message: string } {
  try {
    read();
  } catch (error) {
    return error as { code: ErrorCode; message: string };
  }
  throw new Error("it was read");
}

test("reads the same from each form an API delivers it in", () => {
  const expected = {
    grant: "orders-reader",
    caller: { kind: "jwt", issuer: "corp", id: "corp:alice", binding: "none" },
    wrapped: {
      token: CONTEXT["vaultWrappingToken"],
      accessor: "the-accessor",
      creationPath: "auth/token/create/orders-prod-reader",
      address: "https://vault.example.com",
      namespace: "platform",
      expiresAtMs: 4_000_000_000_000,
    },
  };
  const pairs = headersOf(CONTEXT);
  const forms = [
    contextOfEvent(eventOf({ principalId: "corp:alice" })),
    contextOfEvent({ requestContext: { authorizer: { lambda: CONTEXT } } }),
    contextOfHeaders(pairs),
    contextOfHeaders(pairs.flat()),
    contextOfHeaders(new Headers(pairs)),
    contextOfHeaders(new Map(pairs)),
    contextOfHeaders(Object.fromEntries(pairs)),
    contextOfHeaders({ host: undefined, ...Object.fromEntries(pairs.map(([name, value]) => [name, [value]])) }),
    contextOfHeaders(pairs.map(([name, value]) => [name.replaceAll("-", "_").toUpperCase(), value] as const)),
  ];
  for (const form of forms) expect(form).toEqual(expected);
});

test("takes numbers and booleans as text, and what is empty as absent", () => {
  const { grant, caller, wrapped } = contextOfEvent(
    eventOf({ contextVersion: 1, vaultGrant: true, vaultWrapExpiresAt: 4_000_000_000, vaultNamespace: "", callerIssuer: null }),
  );
  expect({ grant, caller }).toEqual({ grant: "true", caller: { kind: "jwt", id: "corp:alice", binding: "none" } });
  expect(wrapped?.namespace).toBeUndefined();
  expect(contextOfEvent(eventOf({ callerBinding: undefined })).caller.binding).toBe("none");
});

test.each([
  undefined,
  null,
  "event",
  [],
  {},
  { requestContext: null },
  { requestContext: { authorizer: null } },
  { requestContext: { authorizer: [CONTEXT] } },
  { requestContext: { authorizer: { principalId: "alice" } } },
  { requestContext: { authorizer: { lambda: {} } } },
  { requestContext: { authorizer: { vaultGrant: "" } } },
])("finds no context in %j", (event) => {
  expect(refusalOf(() => contextOfEvent(event))).toMatchObject({ code: "no_context" });
});

test("a grant without a token has none of the token's keys", () => {
  const { vaultGrant, callerKind, callerId, contextVersion } = CONTEXT;
  const context = contextOfEvent({ requestContext: { authorizer: { vaultGrant, callerKind, callerId, contextVersion } } });
  expect(context.wrapped).toBeUndefined();
});

test.each([
  ["contextVersion", null],
  ["contextVersion", "2"],
  ["vaultGrant", ""],
  ["callerKind", null],
  ["callerKind", "root"],
  ["callerId", null],
  ["callerId", ["corp:alice"]],
  ["callerId", "x".repeat(2049)],
  ["callerId", "é".repeat(1025)],
  ["callerId", "corp:\u0085alice"],
  ["callerBinding", "DPoP"],
  ["vaultWrappingToken", null],
  ["vaultWrappingToken", "s.two words"],
  ["vaultWrappingToken", "s.tökenlike-s3cret"],
  ["vaultWrappedAccessor", null],
  ["vaultCreationPath", null],
  ["vaultCreationPath", {}],
  ["vaultAddress", null],
  ["vaultWrapExpiresAt", null],
  ["vaultWrapExpiresAt", "soon"],
  ["vaultWrapExpiresAt", "+1"],
  ["vaultWrapExpiresAt", "1.5"],
  ["vaultWrapExpiresAt", "٤"],
  ["vaultWrapExpiresAt", "18446744073709551616"],
])("refuses `%s` of %j, names the key and does not quote the value", (key, value) => {
  const refusal = refusalOf(() => contextOfEvent(eventOf({ [key]: value })));
  expect(refusal).toMatchObject({ name: "ContextTampered", code: "context_invalid", status: 403 });
  expect(refusal.message).toContain(`\`${key}\``);
  if (typeof value === "string" && value.length > 4) expect(refusal.message).not.toContain(value);
});

test("the greatest values are read", () => {
  const context = contextOfEvent(eventOf({ callerId: "é".repeat(1024), vaultWrapExpiresAt: "18446744073709551615" }));
  expect(context.caller.id).toHaveLength(1024);
});

test.each([["X-Vault-Context-Grant"], ["x_vault_context_grant"]])("refuses a second header %s, even an empty one", (name) => {
  const pairs = headersOf(CONTEXT);
  const twice = [...pairs, [name, ""] as const];
  for (const headers of [twice, twice.flat(), { ...Object.fromEntries(pairs), [HEADERS.vaultGrant]: ["a", "a"] }]) {
    expect(refusalOf(() => contextOfHeaders(headers))).toMatchObject({ code: "context_invalid" });
  }
});
