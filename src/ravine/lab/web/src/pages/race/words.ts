import { counted, listed, number, rate } from "../../pure/format.ts";
import type { Setting, State } from "../../protocol.ts";
import type { Place } from "./ranking.ts";

export interface Scene {
  state: State;
  /** What the server says of the state. */
  message?: string;
  step: number;
  steps: number;
  target: number;
  lrs: Setting["lrs"];
  places: readonly Place[];
}

/** Words of the server's as a sentence; nothing where it says nothing. */
export function sentence(words: string): string {
  return words && `${words.charAt(0).toUpperCase()}${words.slice(1)}${words.endsWith(".") ? "" : "."}`;
}

/** What to notice now, in one sentence. */
export function caption(scene: Scene): string {
  const { state, step, steps, places } = scene;
  if (state === "preparing") return sentence(scene.message ?? "") || "Making identical copies of the network.";
  if (step === 0) return opening(scene);
  const broken = places.filter((place) => place.diverged !== null);
  const going = places.filter((place) => place.diverged === null);
  const [first] = going;
  if (!first) return `All ${places.length} diverged, the last at step ${broken[0]?.diverged}: a smaller rate keeps them alive.`;
  const lost = broken.length ? `; ${fates(broken)}` : "";
  if (state === "done" || step >= steps) return `${ending(scene, going)}${lost}.`;
  const last = going[going.length - 1];
  if (first.reached !== null) {
    const there = going.filter((place) => place.reached !== null).length;
    return `${first.lane.optimizer} was first at the target, at step ${first.reached}; ${there} of ${places.length} ${there === 1 ? "is" : "are"} there${lost}.`;
  }
  const crawls = last && last !== first && last.loss !== null && first.loss !== null && last.loss > 3 * first.loss;
  const behind = crawls ? `, ${last.lane.optimizer} is ${number(last.loss! / first.loss!, 2)} times as high` : "";
  return `After ${counted(step, "step")} ${first.lane.optimizer} is lowest at ${number(first.loss)}${behind}${lost}.`;
}

/** "rmsprop diverged at step 21, lion at step 129". */
function fates(broken: readonly Place[]): string {
  const [first, ...rest] = [...broken].sort((a, b) => (a.diverged ?? 0) - (b.diverged ?? 0));
  const begin = `${first?.lane.optimizer} diverged at step ${first?.diverged}`;
  return [begin, ...rest.map((place) => `${place.lane.optimizer} at step ${place.diverged}`)].join(", ");
}

function opening({ lrs, places }: Scene): string {
  const names = places.length;
  if (lrs === "tuned") return `${count(names)}, each at its own tuned rate: is there still a winner? Press Play.`;
  if (typeof lrs === "number") return `Same network, same data, one rate of ${rate(lrs)}: ${count(names).toLowerCase()}, as many fates? Press Play.`;
  return `${count(names)}, each at the rate you gave it. Press Play.`;
}

function ending({ step, target }: Scene, going: readonly Place[]): string {
  const [first] = going as [Place];
  const there = going.filter((place) => place.reached !== null);
  const tied = there.filter((place) => place.rank === first.rank).map((place) => place.lane.optimizer);
  if (!there.length) return `None reached ${rate(target)} in ${counted(step, "step")}; ${first.lane.optimizer} came nearest with ${number(first.loss)}`;
  const missed = going.filter((place) => place.reached === null).map((place) => place.lane.optimizer);
  const rest = missed.length ? `; ${listed(missed)} did not get there` : "";
  return `${listed(tied)} reached ${rate(target)} first, at step ${first.reached}${rest}`;
}

/** What a screen reader hears of the loss chart. */
export function summary({ step, places }: Scene): string {
  if (step === 0) return "Nothing is trained yet.";
  const [first] = places;
  const lead = first?.loss === null || first === undefined ? "" : ` ${first.lane.optimizer} leads with ${number(first.loss)}.`;
  const broken = places.filter((place) => place.diverged !== null).map((place) => `${place.lane.optimizer} diverged at ${place.diverged}.`);
  return `Step ${step}.${lead} ${broken.join(" ")}`.trim();
}

/** How a guess turned out. */
export function verdict(guess: string, scene: Scene): string {
  const [first] = scene.places;
  if (!first || first.diverged !== null) return `You said ${guess}. None survived.`;
  const best = scene.places.filter((place) => place.rank === first.rank).map((place) => place.lane.optimizer);
  if (best.includes(guess)) return `You said ${guess}, and so it was${best.length > 1 ? `, together with ${listed(best.filter((name) => name !== guess))}` : ""}.`;
  const own = scene.places.find((place) => place.lane.optimizer === guess);
  const fate = own?.diverged != null ? `${guess} diverged at step ${own.diverged}` : `${guess} came in at place ${own?.rank ?? "–"}`;
  return `You said ${guess}; ${listed(best)} won, ${fate}.`;
}

function count(value: number): string {
  const words = ["No optimisers", "One optimiser", "Two optimisers", "Three optimisers", "Four optimisers", "Five optimisers", "Six optimisers"];
  return words[value] ?? `${value} optimisers`;
}
