// The example of the documentation, with the package as it ships, against a real OpenBao.
import { Integration } from "vault-context";
import { beforeAll, expect, test as plainTest } from "vitest";

import { databaseUser, secretsFor } from "../examples/engines.js";
import { test } from "../src/vitest.js";
import { root } from "./root.js";
import { CREATION_PATH, ScriptedVault } from "./scripted_vault.js";

// Each capability is one that the table of secrets engines in docs/integrations/any-language.md asks for.
const POLICY = `
path "secret/data/prod/tables" { capabilities = ["read"] }
path "kv/prod/supplier" { capabilities = ["read"] }
path "pki/issue/orders" { capabilities = ["update"] }
path "transit/encrypt/orders" { capabilities = ["update"] }
`;

async function set(path: string, body: unknown): Promise<void> {
  expect((await root("POST", path, body)).status, path).toBeLessThan(300);
}

beforeAll(async () => {
  for (const type of ["kv", "pki", "transit"]) await set(`sys/mounts/${type}`, { type });
  await set("sys/policies/acl/engines", { policy: POLICY });
  await set("secret/data/prod/tables", { data: { orders: "orders_2026" } });
  await set("kv/prod/supplier", { api_key: "of the supplier" });
  const pki = (path: string, body: object) => set(`pki/${path}`, body);
  await pki("root/generate/internal", { common_name: "example.com", key_type: "ec" });
  await pki("roles/orders", { allowed_domains: "example.com", allow_subdomains: true, key_type: "ec" });
  await set("transit/keys/orders", {});
});

test("reads from the engines", async ({ vaultContext }) => {
  const { address, creationPath, event } = await vaultContext({ policies: ["default", "engines"] });
  const integration = new Integration({ address, creationPaths: [creationPath] });
  const found = await integration.with(event, (token) => secretsFor(token, "two chairs"));
  expect(found).toMatchObject({
    table: "orders_2026",
    supplierKey: "of the supplier",
    certificate: expect.stringMatching(/^-----BEGIN CERTIFICATE-----/),
    privateKey: expect.stringMatching(/^-----BEGIN EC PRIVATE KEY-----/),
  });
  const { body } = await root("POST", "transit/decrypt/orders", { ciphertext: found.ciphertext });
  expect(Buffer.from(body["data"].plaintext, "base64").toString()).toBe("two chairs");
});

plainTest("makes a database user", async () => {
  const body = { lease_id: "x", lease_duration: 60, data: { username: "v-orders", password: "x" } };
  const vault = await ScriptedVault.start({ "GET database/creds/orders-reader": [{ status: 200, body }] });
  const integration = new Integration({ address: vault.address, creationPaths: [CREATION_PATH] });
  const user = await integration.with(vault.event(), databaseUser);
  expect([user.username, user.password, user.leaseSeconds]).toEqual(["v-orders", "x", 60]);
});
