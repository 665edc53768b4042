/** Where the keyboard stands in a chart: a line, and a place on it. */
export interface Cursor {
  line: number;
  place: number;
}

/**
 * The cursor after a key, null if the key leaves the chart, undefined if the key means nothing to it.
 *
 * @param lengths points of every line; a line without points is passed over.
 */
export function moved(cursor: Cursor | null, key: string, isFast: boolean, lengths: readonly number[]): Cursor | null | undefined {
  if (key === "Escape") return null;
  if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(key)) return undefined;
  const open = lengths.flatMap((length, line) => (length > 0 ? [line] : []));
  if (!open.length) return undefined;
  if (!cursor || !open.includes(cursor.line)) {
    const line = open[0] as number;
    return { line, place: key === "Home" ? 0 : (lengths[line] as number) - 1 };
  }
  const line = key === "ArrowUp" ? around(open, cursor.line, -1) : key === "ArrowDown" ? around(open, cursor.line, 1) : cursor.line;
  const last = (lengths[line] as number) - 1;
  const step = isFast ? 10 : 1;
  const place =
    key === "Home" ? 0 : key === "End" ? last : key === "ArrowLeft" ? cursor.place - step : key === "ArrowRight" ? cursor.place + step : cursor.place;
  return { line, place: Math.min(last, Math.max(0, place)) };
}

function around(open: readonly number[], line: number, by: number): number {
  return open[(open.indexOf(line) + by + open.length) % open.length] as number;
}
