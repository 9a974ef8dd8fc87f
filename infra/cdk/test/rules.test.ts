/** The rules of the configuration, by the documents whose exact problems the function's own reader tells. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ruleProblems } from "../src/rules";

const CASES: { name: string; document: unknown; problems: string[] }[] = JSON.parse(
  readFileSync(join(__dirname, "../../authorizer.cases.json"), "utf8"),
);

test("each document has the problems that the function tells, and no others", () => {
  assert.ok(CASES.length >= 120, `${CASES.length} cases`);
  for (const { name, document, problems } of CASES) {
    const found = ruleProblems(document).map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
    assert.deepEqual(found, problems, name);
  }
});
