// Reads from five secrets engines with the token of one request. `docs/integrations/typescript.md` shows it.
import type { Credentials, VaultToken } from "vault-context";

export async function secretsFor(token: VaultToken, order: string) {
  // KV version 2
  const tables = await token.kv("secret").get("prod/tables");

  // KV version 1
  const { data: supplier } = await token.read("kv/prod/supplier");

  // PKI
  const names = { common_name: "orders.example.com", ttl: "5m" };
  const { data: issued } = await token.write("pki/issue/orders", names);

  // Transit
  const plaintext = Buffer.from(order).toString("base64");
  const { data: encrypted } = await token.write("transit/encrypt/orders", { plaintext });

  return {
    table: tables["orders"],
    supplierKey: supplier["api_key"],
    certificate: issued["certificate"],
    privateKey: issued["private_key"],
    ciphertext: encrypted["ciphertext"],
  };
}

export async function databaseUser(token: VaultToken): Promise<Credentials> {
  return token.database("database").credentials("orders-reader");
}
