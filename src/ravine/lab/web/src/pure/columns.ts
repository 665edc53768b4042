/** A line seen through columns of pixels: in each its highest and its lowest place, so that nothing that one step did is lost. */
export interface Columns {
  /** The columns that hold a point, ascending. */
  at: number[];
  /** Pixels downwards: `top` is at most `bottom`. */
  top: number[];
  bottom: number[];
  /** Whether the line has a gap before this column. */
  isApart: boolean[];
}

/** Where values lie in pixels, and which value begins a column; both ascend with x. */
export interface Pixels {
  toX(value: number): number;
  fromX(pixel: number): number;
  toY(value: number): number;
}

/**
 * The columns of the points `from` to `to`, both included. Null is a gap; undefined, a place where another line has a point, is passed
 * over. Neighbouring columns meet: half of a jump from one to the next belongs to each.
 */
export function columned(xs: ArrayLike<number>, ys: ArrayLike<number | null | undefined>, from: number, to: number, pixels: Pixels): Columns {
  const found: Columns = { at: [], top: [], bottom: [], isApart: [] };
  let [column, next, isApart] = [Number.NaN, Number.NEGATIVE_INFINITY, false];
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const close = () => {
    if (least > greatest) return;
    put(found, column, Math.round(pixels.toY(greatest)), Math.round(pixels.toY(least)), isApart);
    isApart = false;
    [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  };
  for (let place = from; place <= to; place++) {
    const y = ys[place];
    if (y === null) {
      close();
      isApart = true;
    }
    if (y === null || y === undefined) continue;
    const x = xs[place] as number;
    if (!(x < next)) {
      close();
      column = Math.round(pixels.toX(x));
      next = pixels.fromX(column + 0.5);
    }
    if (y < least) least = y;
    if (y > greatest) greatest = y;
  }
  close();
  return found;
}

function put({ at, top, bottom, isApart }: Columns, column: number, high: number, low: number, isFirst: boolean): void {
  const last = at.length - 1;
  if (at[last] === column) {
    top[last] = Math.min(top[last] as number, high);
    bottom[last] = Math.max(bottom[last] as number, low);
    return;
  }
  if (!isFirst && at[last] === column - 1) {
    if (high > (bottom[last] as number)) high = bottom[last] = (high + (bottom[last] as number)) >> 1;
    else if (low < (top[last] as number)) low = top[last] = (low + (top[last] as number)) >> 1;
  }
  at.push(column);
  top.push(high);
  bottom.push(low);
  isApart.push(isFirst);
}
