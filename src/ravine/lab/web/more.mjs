// The second script: pages that only the lab has, loaded when one of them is opened, so that the first script and the report stay small.
// It borrows from the first what src/app/shared.ts lends, and holds the rest.
import { readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

/** An esbuild plugin: what is lent becomes a look into `globalThis.ravineShared`. */
export function borrowing(here) {
  const source = join(here, "src");
  const entries = readFileSync(join(source, "app", "shared.ts"), "utf8").matchAll(/^ {2}"(.+?)": \{(.*)\},$/gm);
  const lent = new Map([...entries].map(([, key, names]) => [key, names.split(",").map((name) => name.trim())]));
  const keyOf = (path, folder) => (path.startsWith(".") ? relative(source, normalize(join(folder, path))) : path);
  return {
    name: "borrowing",
    setup(build) {
      build.onResolve({ filter: /.*/ }, ({ kind, path, resolveDir }) => {
        const key = keyOf(path, resolveDir);
        if (kind === "entry-point" || key.startsWith("pages/") || key.endsWith(".css")) return null;
        if (lent.has(key)) return { path: key, namespace: "lent" };
        // Two copies of a module that holds state, or of a package, would be two pages in one.
        return key.startsWith("pure/") ? null : { errors: [{ text: `${key} must be lent by src/app/shared.ts` }] };
      });
      build.onLoad({ filter: /\.tsx?$/, namespace: "file" }, ({ path }) => {
        const imports = readFileSync(path, "utf8").matchAll(/^import \{([^}]*)\} from "(.+)";$/gm);
        const missing = [...imports].flatMap(([, names, from]) => {
          const known = lent.get(keyOf(from, dirname(path)));
          const wanted = names.split(",").map((name) => name.trim()).filter((name) => name && !name.startsWith("type "));
          return known ? wanted.filter((name) => !known.includes(name)).map((name) => `${name} of ${from}`) : [];
        });
        return missing.length ? { errors: [{ text: `src/app/shared.ts must lend ${missing.join(", ")} to ${path}` }] } : null;
      });
      build.onLoad({ filter: /.*/, namespace: "lent" }, ({ path }) => ({ contents: `module.exports = globalThis.ravineShared[${JSON.stringify(path)}];` }));
    },
  };
}
