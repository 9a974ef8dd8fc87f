// What is installed is the packed file, and nothing of this folder.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const PACKAGE = join(import.meta.dirname, "..");
const TSC = createRequire(import.meta.url).resolve("typescript/bin/tsc");
// Below node_modules, so that the frameworks are found and this package's own source is not.
const consumer = mkdtempSync(join(PACKAGE, "node_modules", ".consumer-"));

const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
  target: "es2022",
  types: [],
};
const USER = `
import { Integration, VaultContextError, type ErrorCode } from "vault-context";
const integration = new Integration({ address: "https://vault.example.com", creationPaths: ["auth/token/create/x"] });
export async function handle(event: unknown): Promise<string | ErrorCode> {
  try {
    await using token = await integration.open(event);
    const { username } = await token.database("database").credentials("orders");
    // @ts-expect-error: tokens are made by the package alone
    token.accessor = "";
    return username;
  } catch (error) {
    if (error instanceof VaultContextError) return error.code;
    throw error;
  }
}
`;

beforeAll(() => {
  const run = (...args: string[]) => execFileSync("npm", args, { cwd: consumer, encoding: "utf8" });
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ private: true, type: "module" }));
  run("pack", "--silent", "--pack-destination", consumer, PACKAGE);
  const [file] = readdirSync(consumer).filter((name) => name.endsWith(".tgz"));
  run("install", "--offline", "--silent", "--no-audit", "--no-fund", `./${file}`);
});
afterAll(() => rmSync(consumer, { recursive: true }));

function node(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: consumer, encoding: "utf8" }).trim();
}

/** Compiles `files` in a folder of their own; throws with the compiler's words where it has any. */
function compile(name: string, type: "module" | "commonjs", options: object, files: Record<string, string>): void {
  const folder = join(consumer, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type }));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...STRICT, ...options } }));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  try {
    execFileSync(process.execPath, [TSC, "-p", folder], { encoding: "utf8" });
  } catch (error) {
    throw new Error((error as { stdout: string }).stdout);
  }
}

test("holds the compiled package, its README and its licence, and installs nothing else", () => {
  const installed = join(consumer, "node_modules", "vault-context");
  expect(readdirSync(installed).sort()).toEqual(["LICENSE", "README.md", "dist", "package.json"]);
  const all = readdirSync(join(consumer, "node_modules")).filter((name) => !name.startsWith("."));
  expect(all).toEqual(["vault-context"]);
});

const ENTRIES = { ".": "Integration", "./middy": "vaultToken", "./express": "vaultErrors", "./fastify": "vaultErrors" };

test.each(Object.entries(ENTRIES))("%s is imported and required", (entry, name) => {
  const specifier = entry.replace(".", "vault-context");
  const print = `process.stdout.write(typeof module_["${name}"])`;
  expect(node("--input-type=module", "-e", `import * as module_ from "${specifier}"; ${print}`)).toBe("function");
  expect(node("--input-type=commonjs", "-e", `const module_ = require("${specifier}"); ${print}`)).toBe("function");
});

test("the Vitest fixture is imported in a test of somebody else's", () => {
  const made = "expect((await vaultContext()).headers['x-vault-context-version']).toBe('1')";
  const text = `import { expect } from "vitest"; import { test } from "vault-context/vitest";
    test("made", async ({ vaultContext }) => { ${made}; });`;
  mkdirSync(join(consumer, "fixture"));
  writeFileSync(join(consumer, "fixture", "made.test.js"), text);
  const vitest = join(PACKAGE, "node_modules", "vitest", "vitest.mjs");
  const config = join(consumer, "fixture", "vitest.config.js");
  writeFileSync(config, 'export default { test: { include: ["*.test.js"], exclude: [] } };');
  expect(node(vitest, "run", "--root", join(consumer, "fixture"), "--config", config)).toContain("1 passed");
});

test.each([
  ["ES modules", "module", { module: "nodenext", lib: ["es2022"] }],
  ["CommonJS", "commonjs", { module: "nodenext", lib: ["es2022"] }],
  ["a bundler with the newest library", "module", { module: "esnext", moduleResolution: "bundler", lib: ["esnext", "dom"] }],
] as const)("its types are read as %s", (name, type, options) => {
  compile(name.replaceAll(" ", "-"), type, options, { "user.ts": USER });
});

test("the types of the frameworks' entries are read as CommonJS, too", () => {
  const text = ["middy", "express", "fastify"].map((name) => `export * as ${name} from "vault-context/${name}";`).join("\n");
  compile("entries", "commonjs", { module: "nodenext", lib: ["es2023"], types: ["node"], skipLibCheck: true }, { "user.ts": text });
});

test("the README's examples compile", () => {
  const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code as string);
  expect(examples).toHaveLength(6);
  // The first is the file that the others import.
  const files = Object.fromEntries(examples.map((code, at) => [at === 0 ? "integration.ts" : `example-${at}.ts`, code]));
  files["query.ts"] = "export declare function query(region: string, username: string, password: string): Promise<string>;";
  const options = { module: "nodenext", lib: ["es2023"], types: ["node"], skipLibCheck: true };
  compile("readme", "module", options, files);
});
