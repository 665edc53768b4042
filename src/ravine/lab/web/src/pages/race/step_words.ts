import type { Inspector, Numbers } from "../../protocol.ts";
import { listed, number } from "../../pure/format.ts";

/** Closer than this, relative to the greatest, lengths are alike: float32 sums over all weights. */
const ALIKE = 1e-3;

/** One step in three sentences: what came in, what is remembered of it, and how far that moved the weights. */
export function phases(names: readonly string[], inside: Inspector): [string, string, string] {
  return [gradient(names, inside.gradient_norm), state(names, inside), update(names, inside.update_norm)];
}

interface Ends {
  least: { name: string; value: number };
  greatest: { name: string; value: number };
}

function ends(names: readonly string[], values: Numbers): Ends | null {
  const known = names.flatMap((name, lane) => (typeof values[lane] === "number" ? [{ name, value: values[lane] as number }] : []));
  known.sort((a, b) => a.value - b.value);
  const [least, greatest] = [known[0], known[known.length - 1]];
  return least && greatest ? { least, greatest } : null;
}

function gradient(names: readonly string[], values: Numbers): string {
  const found = ends(names, values);
  if (!found) return "The gradient has no length here: it is not a number.";
  const { least, greatest } = found;
  if (greatest.value - least.value <= ALIKE * greatest.value) return `The gradient comes in${names.length > 1 ? ", alike for all" : ""}: ${number(greatest.value)} long.`;
  return `The gradient comes in, on the same batch: ${number(least.value)} long at ${least.name}, ${number(greatest.value)} at ${greatest.name}.`;
}

function state(names: readonly string[], { m_norm, v_norm }: Inspector): string {
  const without = names.filter((_, lane) => !m_norm[lane] && !v_norm[lane]);
  if (!without.length) return `${names.length > 1 ? "All take" : `${names[0]} takes`} it into m, the direction, or v, the size.`;
  const keep = `${listed(without)} ${without.length > 1 ? "remember" : "remembers"} nothing`;
  return without.length === names.length ? `${keep}.` : `${keep}; the others take it into m, the direction, or v, the size.`;
}

function update(names: readonly string[], values: Numbers): string {
  const found = ends(names, values);
  if (!found) return "The weights did not move by a number.";
  const { least, greatest } = found;
  if (names.length === 1) return `The weights move by ${number(greatest.value)}.`;
  const times = least.value > 0 ? `, ${number(greatest.value / least.value, 2)} times as far as ${least.name}` : `; ${least.name} stays`;
  return `The weights move: ${greatest.name} furthest, by ${number(greatest.value)}${times}.`;
}
