// What a test does to the development Vault itself, with its root token.
export interface Result {
  readonly status: number;
  readonly body: { readonly [name: string]: any };
}

export async function root(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Result> {
  const response = await fetch(`${process.env["VAULT_ADDR"]}/v1/${path}`, {
    method,
    headers: { "X-Vault-Token": process.env["VAULT_TOKEN"] ?? "", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
}

/** Whether the token of `accessor` can still be used. */
export async function lives(accessor: string): Promise<boolean> {
  return (await root("POST", "auth/token/lookup-accessor", { accessor })).status === 200;
}

/** A KV secret, and the name of a policy that allows reading it. */
export async function writeSecret(name: string, fields: Record<string, string>): Promise<string> {
  await root("POST", `secret/data/${name}`, { data: fields });
  const policy = `read-${name.replaceAll("/", "-")}`;
  await root("POST", `sys/policies/acl/${policy}`, {
    policy: `path "secret/data/${name}" { capabilities = ["read", "update"] }`,
  });
  return policy;
}
