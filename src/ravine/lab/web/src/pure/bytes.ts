import { number } from "./format.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes in powers of a thousand: 1.98 GB. */
export function size(bytes: number): string {
  const unit = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes * 1.0005) / 3));
  return `${number(bytes / 1000 ** unit)} ${UNITS[unit]}`;
}
