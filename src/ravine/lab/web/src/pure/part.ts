/** Where a value lies between the least and the greatest of `among`, in logarithms over a decade or more, so that alike looks alike; 0 where there is none. */
export function part(value: number | null | undefined, among: readonly (number | null | undefined)[]): number {
  const logs = among.flatMap((one) => (one && one > 0 ? [Math.log(one)] : []));
  if (!value || value <= 0 || !logs.length) return 0;
  const high = Math.max(...logs);
  const low = Math.min(...logs, high - Math.LN10);
  return 0.08 + (0.92 * (Math.log(value) - low)) / (high - low);
}
