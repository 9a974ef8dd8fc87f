// Compiles `src` twice: to ES modules in dist/esm, and to CommonJS in dist/cjs.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

process.chdir(import.meta.dirname);
rmSync("dist", { recursive: true, force: true });
for (const format of ["esm", "cjs"]) execFileSync(process.execPath, [tsc, "-p", `tsconfig.${format}.json`], { stdio: "inherit" });
// The package as a whole says "module".
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
