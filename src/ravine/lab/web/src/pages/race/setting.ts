import type { Setting, Target } from "../../protocol.ts";

/** Keys of the address that hold a setting; `v` is their version. */
export const VERSION = "1";
const TARGETS: readonly string[] = ["two-bumps", "sawtooth", "sine", "step", "noisy-line", "formula", "csv"];

/** A setting as the address holds it, in short keys. */
export function queryOf(setting: Setting): Record<string, string> {
  const { task, task_options: options } = setting;
  return {
    v: VERSION,
    t: task === "curve" ? `curve:${options.target ?? "two-bumps"}` : task,
    f: options.target === "formula" ? (options.formula ?? "") : "",
    o: setting.optimizers.join(","),
    r: ratesText(setting.lrs),
    sc: setting.schedule,
    s: String(setting.seed),
    w: String(setting.width),
    b: setting.batch_size === null ? "" : String(setting.batch_size),
    n: String(setting.steps),
    y: setting.stop.target === undefined ? "" : String(setting.stop.target),
    p: setting.stop.plateau === undefined ? "" : String(setting.stop.plateau),
  };
}

/**
 * The setting of an address: the preset where the address says nothing or nothing that can be read. Whether it can be run, the server
 * says. An uploaded curve lives in its server only, so an address cannot bring it back.
 */
export function settingOf(query: Readonly<Record<string, string>>, preset: Setting): Setting {
  const [task = "", target = ""] = (query.t ?? "").split(":");
  const optimizers = (query.o ?? "").split(",").filter(Boolean);
  const found: Setting = {
    ...preset,
    task: task === "curve" || task === "digits" || task === "user" ? task : preset.task,
    optimizers: optimizers.length ? [...new Set(optimizers)] : preset.optimizers,
    lrs: ratesOf(query.r) ?? preset.lrs,
    schedule: query.sc || preset.schedule,
    seed: wholeOf(query.s, 0) ?? preset.seed,
    width: wholeOf(query.w, 1) ?? preset.width,
    batch_size: wholeOf(query.b, 1) ?? (query.v ? null : preset.batch_size),
    steps: wholeOf(query.n, 1) ?? preset.steps,
    stop: {},
  };
  found.task_options = found.task === "curve" ? optionsOf(target, query.f, preset) : {};
  const aim = numberOf(query.y);
  const plateau = wholeOf(query.p, 1);
  if (aim !== undefined) found.stop.target = aim;
  if (plateau !== undefined) found.stop.plateau = plateau;
  if (!query.v) found.stop = { ...preset.stop, ...found.stop };
  return found;
}

function optionsOf(target: string, formula: string | undefined, preset: Setting): Setting["task_options"] {
  if (target === "formula" && formula) return { target, formula };
  if (TARGETS.includes(target) && target !== "csv" && target !== "formula") return { target: target as Target };
  return preset.task === "curve" ? preset.task_options : { target: "two-bumps" };
}

function ratesText(lrs: Setting["lrs"]): string {
  if (typeof lrs !== "object") return String(lrs);
  return Object.entries(lrs)
    .map(([name, rate]) => `${name}:${rate}`)
    .join(",");
}

function ratesOf(text: string | undefined): Setting["lrs"] | undefined {
  if (!text) return undefined;
  if (text === "tuned") return "tuned";
  if (!text.includes(":")) return numberOf(text);
  const pairs = text.split(",").map((pair) => {
    const cut = pair.lastIndexOf(":");
    return [pair.slice(0, cut), numberOf(pair.slice(cut + 1))] as const;
  });
  return pairs.every(([name, rate]) => name && rate !== undefined) ? (Object.fromEntries(pairs) as Record<string, number>) : undefined;
}

function numberOf(text: string | undefined): number | undefined {
  const found = Number(text);
  return text && Number.isFinite(found) && found > 0 ? found : undefined;
}

function wholeOf(text: string | undefined, low: number): number | undefined {
  const found = Number(text);
  return text && Number.isInteger(found) && found >= low ? found : undefined;
}
