/** Numbers as text: four digits are enough to tell lanes apart, and a power of ten is never hidden in a row of zeros. */

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A number in `digits` significant digits; "–" where there is none. */
export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return minus(String(value));
  const text = size >= 1e-3 && size < 1e5 ? plain(value, digits) : short(value.toExponential(digits - 1));
  return minus(text);
}

/** A rate as people type it: 0.01, 3e-4, without digits that say nothing. */
export function rate(value: number | null | undefined, digits = 3): string {
  if (!value || !Number.isFinite(value)) return number(value);
  const text = Number(value.toPrecision(digits));
  return Math.abs(text) >= 1e-3 && Math.abs(text) < 1e5 ? String(text) : short(text.toExponential());
}

/** 1234567 as "1,234,567", as the command line writes it. */
export function whole(value: number): string {
  return minus(String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ","));
}

/** Ten to an integer power as an axis writes it: 0.01, 1, 100, 10⁻⁶. */
export function power(value: number): string {
  const exponent = Math.round(Math.log10(value));
  if (exponent >= -3 && exponent <= 4) return String(Number(value.toPrecision(6)));
  const digits = [...String(Math.abs(exponent))].map((digit) => RAISED[Number(digit)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** "a, b and c". */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

/** "1 step", "2 steps". */
export function counted(value: number, noun: string): string {
  return `${whole(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function plain(value: number, digits: number): string {
  const text = Number(value.toPrecision(digits));
  const exponent = Math.floor(Math.log10(Math.abs(text)));
  return text.toFixed(Math.max(0, digits - 1 - exponent));
}

function short(text: string): string {
  return text.replace(/\.?0*e/, "e").replace("e+", "e");
}

function minus(text: string): string {
  return text.replace(/^-/, "−");
}
