// Makes src/configuration.ts and src/authorizer.schema.json of the configuration's schema: npm run generate.

import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const SCHEMA = new URL("../authorizer.schema.json", import.meta.url);

/** The files that are made, by their names, with what must be in them. */
export async function generated(): Promise<Record<string, string>> {
  const schema = readFileSync(SCHEMA, "utf8");
  const types = await compile(withoutChoicesOfKeys(JSON.parse(schema)), "Configuration", {
    bannerComment: "// Made of infra/authorizer.schema.json by `npm run generate`. Do not edit.",
    // `string[]`, as a program has it: that a list is not empty is checked at synth.
    ignoreMinAndMaxItems: true,
    style: { printWidth: 120 },
  });
  return {
    "src/configuration.ts": types,
    // The package carries the schema along.
    "src/authorizer.schema.json": schema,
  };
}

/**
 * Without "either `token` or `mode`" and the like, which make unreadable types: that is checked at synth as well. The
 * title would be the name of the outermost type.
 */
function withoutChoicesOfKeys(schema: any): any {
  if (Array.isArray(schema)) return schema.map(withoutChoicesOfKeys);
  if (typeof schema !== "object" || schema === null) return schema;
  const isOfKeys = (choice: any) => Object.keys(choice).every((keyword) => keyword === "required");
  const kept = Object.entries(schema).filter(
    ([key, value]) => key !== "title" && !(["oneOf", "anyOf"].includes(key) && (value as any[]).every(isOfKeys)),
  );
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutChoicesOfKeys(value)]));
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  for (const [name, text] of Object.entries(await generated())) {
    writeFileSync(new URL(name, import.meta.url), text);
  }
}
