import { counted, listed } from "../../pure/format.ts";

/** How a path ended. */
export interface Outcome {
  optimizer: string;
  steps_to_minimum: number | null;
  diverged_at: number | null;
}

/** When a path arrived, for a table. */
export function arrival(path: Outcome): string {
  if (path.diverged_at !== null) return `diverged at ${path.diverged_at}`;
  return path.steps_to_minimum === null ? "not reached" : String(path.steps_to_minimum);
}

/** What came of the race in a sentence or two. */
export function told(paths: readonly Outcome[]): string {
  const there = paths.filter((path) => path.steps_to_minimum !== null).sort((a, b) => (a.steps_to_minimum ?? 0) - (b.steps_to_minimum ?? 0));
  const lost = paths.filter((path) => path.diverged_at !== null);
  const first = there[0];
  const parts = [
    first ? `${first.optimizer} is first to stay at a minimum, after ${counted(first.steps_to_minimum ?? 0, "step")}.` : "Nobody stays at a minimum.",
    ...(there.length > 1 ? [`Then come ${listed(there.slice(1).map((path) => `${path.optimizer} (${path.steps_to_minimum})`))}.`] : []),
    ...(lost.length ? [`Diverged: ${listed(lost.map((path) => `${path.optimizer} at ${path.diverged_at}`))}.`] : []),
  ];
  return parts.join(" ");
}
