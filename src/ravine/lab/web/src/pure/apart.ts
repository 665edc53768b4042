/** Positions moved apart until neighbours stand `gap` from each other, each as near to where it was as its order lets it. */
export function apart(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, place) => place).sort((a, b) => (wanted[a] as number) - (wanted[b] as number) || a - b);
  const found = wanted.map((value) => value);
  let floor = low;
  for (const place of order) {
    found[place] = Math.max(floor, found[place] as number);
    floor = (found[place] as number) + gap;
  }
  let ceiling = high;
  for (const place of [...order].reverse()) {
    found[place] = Math.min(ceiling, found[place] as number);
    ceiling = (found[place] as number) - gap;
  }
  return found;
}
