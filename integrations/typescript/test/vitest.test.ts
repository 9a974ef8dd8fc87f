// The fixture for others, as far as it keeps off what is not for tests. That it works is seen in `openbao.test.ts`.
import { expect, test } from "vitest";

import { developmentVault } from "../src/vitest.js";

test.each(["https://vault.example.com:8200", "https://127.0.0.1:8200", "http://vault.example.com:8200", "vault.example.com"])(
  "makes no role in the Vault at %s",
  (address) => {
    expect(() => developmentVault({ VAULT_ADDR: address, VAULT_TOKEN: "root" })).toThrow("loopback");
  },
);

test("takes a development server of this machine", () => {
  const vault = { address: "http://127.0.0.1:8200", token: "root" };
  expect(developmentVault({ VAULT_ADDR: vault.address, VAULT_TOKEN: vault.token })).toEqual(vault);
  expect(() => developmentVault({ VAULT_ADDR: vault.address })).toThrow("VAULT_TOKEN");
});
