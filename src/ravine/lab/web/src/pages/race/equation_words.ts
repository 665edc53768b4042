import type { Optimizer } from "../../protocol.ts";

export interface Said {
  title: string;
  source: string;
  text: string;
}

/** Equations by optimiser, those with the same in one, with the values of what stands in them. */
export function said(optimizers: readonly Pick<Optimizer, "name" | "source" | "formula" | "hypers">[]): Said[] {
  const groups = new Map<string, (typeof optimizers)[number][]>();
  for (const one of optimizers) groups.set(one.formula, [...(groups.get(one.formula) ?? []), one]);
  return [...groups].map(([formula, alike]) => {
    const rows = alike.map(({ name, hypers }) => `${alike.length > 1 ? `${name}: ` : ""}${values(hypers, formula)}`);
    return { title: alike.map(({ name }) => name).join(", "), source: alike[0]?.source ?? "", text: `${formula}\n\n${rows.join("\n")}` };
  });
}

function values(hypers: Readonly<Record<string, unknown>>, formula: string): string {
  const words = new Set(formula.match(/\w+/g));
  const known = Object.entries(hypers).filter(([symbol]) => words.has(symbol));
  return known.map(([symbol, value]) => `${symbol} = ${value}`).join(", ") || "lr is all there is to set";
}
