/**
 * Places to show of a long curve: least and greatest of every column, first and last, in order. A spike of one step stays, whatever
 * the width. Values that are not finite are left out.
 */
export function thinned(values: ArrayLike<number | null>, columns: number, from = 0, to = values.length): number[] {
  const span = Math.max(1, to - from);
  const kept: number[] = [];
  let column = -1;
  let least = -1;
  let greatest = -1;
  let first = -1;
  let last = -1;
  const close = () => {
    if (least < 0) return;
    kept.push(Math.min(least, greatest));
    if (least !== greatest) kept.push(Math.max(least, greatest));
  };
  for (let place = from; place < to; place++) {
    const value = values[place];
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    if (first < 0) first = place;
    last = place;
    const here = Math.floor(((place - from) * columns) / span);
    if (here !== column) {
      close();
      column = here;
      least = greatest = place;
    } else {
      if (value < (values[least] as number)) least = place;
      if (value > (values[greatest] as number)) greatest = place;
    }
  }
  close();
  if (first >= 0 && kept[0] !== first) kept.unshift(first);
  if (last >= 0 && kept[kept.length - 1] !== last) kept.push(last);
  return kept;
}
