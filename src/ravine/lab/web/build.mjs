// Builds the page: one classic script and one style sheet, so that the same two files run in the lab and inlined in a report; and a second
// script with the pages that only the lab has.
//
//   node build.mjs                 into ../../report/bundle
//   node build.mjs --out FOLDER    into another folder
//   node build.mjs --watch         again at every change
//   node build.mjs --tests         the tests of test/, bundled and run by Node's own runner
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { borrowing } from "./more.mjs";
import { slim } from "./slim.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const given = process.argv.slice(2);
const place = given.indexOf("--out");
const folder = place < 0 ? join(here, "..", "..", "report", "bundle") : given[place + 1];

const page = {
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx" },
  outdir: folder,
  bundle: true,
  format: "iife",
  target: ["es2022"],
  minify: true,
  legalComments: "none",
  charset: "utf8",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
  plugins: [slim],
};
const more = { ...page, entryPoints: { more: "src/more.ts" }, plugins: [borrowing(here)] };

// The little that modules ask of a browser when they are loaded.
const BROWSER = `
globalThis.matchMedia ??= () => ({ matches: false, addEventListener() {} });
globalThis.document ??= { documentElement: { dataset: {} }, getElementById: () => null };
globalThis.location ??= { hash: "", pathname: "/" };
globalThis.sessionStorage ??= { getItem: () => null, setItem() {} };
globalThis.addEventListener ??= () => {};
globalThis.devicePixelRatio ??= 1;
`;

async function runTests() {
  const out = mkdtempSync(join(tmpdir(), "ravine-web-"));
  try {
    const entryPoints = readdirSync(join(here, "test"))
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => join("test", name));
    await esbuild.build({
      ...page,
      entryPoints,
      outdir: out,
      format: "esm",
      platform: "node",
      minify: false,
      outExtension: { ".js": ".mjs" },
      loader: { ".css": "empty" },
      banner: { js: BROWSER },
    });
    const files = readdirSync(out).map((name) => join(out, name));
    return spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** What the script contains of others, with their terms. */
function licences() {
  const names = ["preact", "@preact/signals", "@preact/signals-core", "uplot"];
  return names.map((name) => `${name}\n\n${readFileSync(join(here, "node_modules", name, "LICENSE"), "utf8")}`).join("\n");
}

if (given.includes("--tests")) {
  process.exit(await runTests());
} else if (given.includes("--watch")) {
  for (const part of [page, more]) await (await esbuild.context(part)).watch();
} else {
  await esbuild.build(page);
  await esbuild.build(more);
  writeFileSync(join(folder, "licences.txt"), licences());
  const size = (names) => names.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name))).length / 1024, 0).toFixed(1);
  console.log(`${folder}: ${size(["app.js", "app.css"])} KB gzipped, and ${size(["more.js", "more.css"])} KB when one of its pages is opened`);
}
