// uPlot without what the page never asks of it: dates, bars, steps, splines, joins, points, its own log axis. A third of its size goes.
import { readFileSync } from "node:fs";

const EMPTY = {
  fmtDate: "",
  tzDate: "",
  genTimeStuffs: "return [[], [], () => {}];",
  timeAxisStamps: "",
  timeAxisVals: "",
  timeAxisVal: "",
  timeSeriesStamp: "",
  timeSeriesVal: "",
  stepped: "",
  bars: "",
  splineInterp: "",
  _monotoneCubic: "",
  join: "",
  sortCols: "",
  allHeadersSame: "",
  isAsc: "",
  rangeAsinh: "",
  asinhAxisSplits: "",
  log2AxisValsFilt: "",
  log10AxisValsFilt: "",
  logAxisSplits: "",
  points: "",
};

/** A plugin of esbuild; it fails where a function is no longer found, which a new version of uPlot may bring about. */
export const slim = {
  name: "slim",
  setup(build) {
    build.onLoad({ filter: /uPlot\.esm\.js$/ }, ({ path }) => {
      let contents = readFileSync(path, "utf8");
      for (const [name, body] of Object.entries(EMPTY)) {
        const found = new RegExp(`^function ${name}\\([^]*?^}$`, "m");
        if (!found.test(contents)) return { errors: [{ text: `${path} has no function ${name} any more: look at slim.mjs` }] };
        contents = contents.replace(found, () => `function ${name}() { ${body} }`);
      }
      return { contents: contents.replace("const FEAT_TIME          = true;", "const FEAT_TIME = false;"), loader: "js" };
    });
  },
};
