import type { ComponentChildren } from "preact";
import type { Table } from "./types.ts";

/** A table as the record's other forms write it. */
export function Cells({ table, swatch }: { table: Table; swatch?: (row: number) => ComponentChildren }) {
  const side = (column: number) => (table.numeric.includes(column) ? "number" : undefined);
  return (
    <div class="scroll" role="region" aria-label={table.caption} tabIndex={0}>
      <table class="cells">
        <caption>{table.caption}</caption>
        <thead>
          <tr>
            {table.titles.map((title, column) => (
              <th key={column} scope="col" class={side(column)}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, place) => (
            <tr key={place}>
              {row.map((cell, column) =>
                column === table.heads ? (
                  <th key={column} scope="row">
                    {swatch?.(place)}
                    {cell}
                  </th>
                ) : (
                  <td key={column} class={cell.length > 40 ? "long" : side(column)}>
                    {cell}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A table behind its caption. */
export function Sheet({ table }: { table: Table | undefined }) {
  if (!table) return null;
  return (
    <details>
      <summary>{table.caption}</summary>
      <Cells table={table} />
    </details>
  );
}

/** Labels and what they are, behind their caption. */
export function Facts({ caption, rows }: { caption: string; rows: [string, string][] }) {
  const said = rows.filter(([, text]) => text);
  if (!said.length) return null;
  return <Sheet table={{ caption, titles: ["", ""], rows: said, heads: 0, numeric: [] }} />;
}
