import { computed, signal } from "@preact/signals";
import { route, setQuery } from "../../app/route.ts";
import { styleOf } from "../../app/catalogue.ts";
import type { ChartData, Line } from "../../chart/types.ts";
import { rate } from "../../pure/format.ts";
import { betaOf } from "../../pure/smoothing.ts";
import { beat, hello, history, lanes, lit, setting, status, stepShown, viewed } from "./store.ts";
import { ranked, usualTarget } from "./ranking.ts";
import type { Scene } from "./words.ts";

const HEADROOM = 30;

/** How the page looks at the race: kept in the address, and no part of the setting. */
export const smoothing = signal(Number(route.peek().query.sm ?? 0) || 0);
export const isLogX = signal(route.peek().query.lx === "1");
export const metric = signal(route.peek().query.m ?? "");
const ownTarget = signal(Number(route.peek().query.g) || null);

/** Write the view into the address. */
export function keepView(): void {
  setQuery({
    sm: smoothing.value ? String(smoothing.value) : "",
    lx: isLogX.value ? "1" : "",
    m: metric.value,
    g: ownTarget.value === null ? "" : String(ownTarget.value),
  });
}

/** The loss to reach, for the ranking: given here, or as a stop rule, or a tenth of the start. */
export const target = computed(() => {
  beat.value;
  return ownTarget.value ?? setting.value?.stop.target ?? usualTarget(history);
});

export function setTarget(value: number | null): void {
  ownTarget.value = value;
  keepView();
}

/** Everything that words and ranking are made of. */
export const scene = computed<Scene>(() => {
  beat.value;
  const step = stepShown.value;
  return {
    state: viewed.value === null ? status.value.state : "paused",
    message: status.value.message,
    step,
    steps: setting.value?.steps ?? 0,
    target: target.value,
    lrs: setting.value?.lrs ?? 0,
    places: ranked(history, lanes.value, target.value, step),
  };
});

/** What can be drawn over the steps: the training loss of every step, and the metrics that were evaluated. */
export const metrics = computed(() => {
  beat.value;
  return [{ value: "", label: "training loss" }, ...[...history.evaluations.keys()].map((name) => ({ value: name, label: `validation ${name}` }))];
});

/** The big chart. */
export const chart = computed<ChartData>(() => {
  beat.value;
  const own = history;
  const name = own.evaluations.has(metric.value) ? metric.value : "";
  const isLoss = name === "" || name === "loss";
  const lines = lanes.value.map((lane): Line => {
    const ended = own.diverged[lane.lane];
    return {
      key: lane.optimizer,
      label: lane.optimizer,
      style: styleOf(lane.optimizer),
      x: name ? own.evaluatedAt : own.steps,
      y: (name ? own.evaluations.get(name)?.[lane.lane] : own.losses[lane.lane]) ?? [],
      stop: ended && { x: ended.step, note: `diverged at ${ended.step}` },
    };
  });
  const firsts = own.losses.map((values) => values[0] ?? 0).filter((value) => value > 0 && Number.isFinite(value));
  return {
    lines,
    x: { label: "step", isLog: isLogX.value, empty: [isLogX.value ? 1 : 0, setting.value?.steps ?? 1] },
    y: { label: metrics.value.find((entry) => entry.value === name)?.label ?? "loss", isLog: isLoss, high: isLoss && firsts.length ? HEADROOM * Math.max(...firsts) : undefined },
    smoothing: name ? 0 : betaOf(smoothing.value),
    lit: lit.value,
    marks: [
      ...(isLoss && own.steps.length ? [{ along: "y" as const, at: target.value, label: `target ${rate(target.value)}` }] : []),
      ...(viewed.value === null ? [] : [{ along: "x" as const, at: viewed.value, label: `step ${viewed.value}` }]),
    ],
  };
});

/** "same weights, same batches, seed 7": only what the server compared. */
export const badge = computed(() => {
  const same = hello.value?.same_weights;
  if (!same) return null;
  return same.asserted
    ? { isGood: true, text: `same weights, same batches, seed ${same.seed}`, detail: `weights ${same.weights.slice(0, 8)}, batches ${same.batches.slice(0, 8)}` }
    : { isGood: false, text: "the lanes did not begin alike", detail: "this comparison is not fair" };
});
