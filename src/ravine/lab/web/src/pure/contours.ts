/** A function of the plane on a grid: rows from the least y, columns from the least x. */
export interface Grid {
  rows: number;
  columns: number;
  values: ArrayLike<number>;
}

/** Heights as shares of the way from low to high in logarithms, 0 to 1, NaN where there is no height; evenly spread over the picture. */
export function shares(grid: Grid): Float32Array {
  const known = Float64Array.from(grid.values).filter((value) => value > 0 && Number.isFinite(value)).sort();
  const low = Math.log(known[Math.floor(known.length * 0.002)] ?? 1);
  const high = Math.log(known[known.length - 1] ?? 2);
  return Float32Array.from(grid.values, (value) =>
    Number.isNaN(value) ? Number.NaN : Math.min(1, Math.max(0, (Math.log(Math.max(value, 1e-300)) - low) / (high - low || 1))),
  );
}

/** Line pieces [x0, y0, x1, y1, ...] in cells of the grid along which `values` are at `level`: marching squares. */
export function contour({ rows, columns, values }: Grid, level: number): number[] {
  const found: number[] = [];
  for (let row = 0; row + 1 < rows; row++)
    for (let column = 0; column + 1 < columns; column++) {
      const corner = (dx: number, dy: number) => (values[(row + dy) * columns + column + dx] as number) - level;
      const cut: number[] = [];
      // Around the cell; an edge whose ends lie on both sides of the level is cut in proportion. Two cuts are a piece, four are two.
      for (const [ax, ay, bx, by] of EDGES) {
        const [a, b] = [corner(ax, ay), corner(bx, by)];
        if (a < 0 === b < 0 || Number.isNaN(a + b)) continue;
        const share = a / (a - b);
        cut.push(column + ax + share * (bx - ax), row + ay + share * (by - ay));
      }
      if (cut.length >= 4) found.push(...cut);
    }
  return found;
}

const EDGES = [
  [0, 0, 1, 0],
  [1, 0, 1, 1],
  [1, 1, 0, 1],
  [0, 1, 0, 0],
] as const;
