// Makes src/configuration.ts of the configuration's schema, and copies of the rules and the dashboard: npm run generate.

import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const SCHEMA = new URL("../authorizer.schema.json", import.meta.url);
/** What the package carries along, from the folder above. */
const COPIED = ["authorizer.rules.json", "dashboard.json"];

/** The files that are made, by their names, with what must be in them. */
export async function generated(): Promise<Record<string, string>> {
  const schema = JSON.parse(readFileSync(SCHEMA, "utf8"));
  const types = await compile(readable(schema, schema.$defs), "Configuration", {
    bannerComment: "// Made of infra/authorizer.schema.json by `npm run generate`. Do not edit.",
    // `string[]`, as a program has it: that a list is not empty is checked at synth.
    ignoreMinAndMaxItems: true,
    style: { printWidth: 120 },
  });
  return {
    "src/configuration.ts": types,
    ...Object.fromEntries(
      COPIED.map((name) => [`src/${name}`, readFileSync(new URL(`../${name}`, import.meta.url), "utf8")]),
    ),
  };
}

/**
 * Without what makes unreadable types, and is checked at synth as well: "either `token` or `mode`" and the like, and names for
 * what is text. The title would be the name of the outermost type.
 */
function readable(part: any, definitions: any): any {
  if (Array.isArray(part)) return part.map((item) => readable(item, definitions));
  if (typeof part !== "object" || part === null) return part;
  const { $ref, title: _, ...kept } = part;
  for (const choice of ["oneOf", "anyOf"]) if (kept[choice]?.every(isOfKeys)) delete kept[choice];
  const entries = Object.entries(kept).map(([key, value]) => [key, readable(value, definitions)]);
  const { type, enum: words } = definitions[$ref?.replace("#/$defs/", "")] ?? {};
  const isText = kept.const !== undefined || (type === "string" && words === undefined);
  return Object.fromEntries([...($ref ? [isText ? ["type", "string"] : ["$ref", $ref]] : []), ...entries]);
}

function isOfKeys(choice: any): boolean {
  return Object.keys(choice).every((keyword) => keyword === "required");
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  for (const [name, text] of Object.entries(await generated())) {
    writeFileSync(new URL(name, import.meta.url), text);
  }
}
