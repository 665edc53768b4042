/** The median. */
export function middle(values: readonly number[]): number {
  const order = values.toSorted((a, b) => a - b);
  const half = order.length / 2;
  return ((order[Math.ceil(half) - 1] as number) + (order[Math.floor(half)] as number)) / 2;
}
