import type { ReadonlySignal } from "@preact/signals";
import { useState } from "preact/hooks";
import { thinned } from "../pure/thinning.ts";
import { valueAt } from "./readout.ts";
import type { ChartData } from "./types.ts";

const ROWS = 20;
const COLUMNS = 40;

/** The chart's points as a table, thinned by least and greatest, a page at a time; made only when it is opened. */
export function PointsTable({ title, data, format }: { title: string; data: ReadonlySignal<ChartData>; format: (value: number | null | undefined) => string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="points" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Table of values</summary>
      {isOpen && <Rows title={title} data={data.value} format={format} />}
    </details>
  );
}

function Rows({ title, data, format }: { title: string; data: ChartData; format: (value: number | null | undefined) => string }) {
  const [page, setPage] = useState(0);
  const xs = [...new Set(data.lines.flatMap((line) => thinned(line.y, COLUMNS).map((place) => line.x[place] as number)))].sort((a, b) => a - b);
  const pages = Math.max(1, Math.ceil(xs.length / ROWS));
  const here = Math.min(page, pages - 1);
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label={`${title}: values`}>
        <table>
          <caption>
            {title}: every column's least and greatest value, {xs.length} rows, part {here + 1} of {pages}
          </caption>
          <thead>
            <tr>
              <th scope="col">{data.x.label}</th>
              {data.lines.map((line) => (
                <th key={line.key} scope="col" class="number">
                  {line.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {xs.slice(here * ROWS, (here + 1) * ROWS).map((x) => (
              <tr key={x}>
                <th scope="row">{format(x)}</th>
                {data.lines.map((line) => (
                  <td key={line.key} class="number">
                    {line.stop && x > line.stop.x ? line.stop.note : format(valueAt(line, x))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {pages > 1 && (
        <p class="pager">
          <button type="button" class="small" disabled={here === 0} onClick={() => setPage(here - 1)}>
            Earlier rows
          </button>
          <button type="button" class="small" disabled={here === pages - 1} onClick={() => setPage(here + 1)}>
            Later rows
          </button>
        </p>
      )}
    </>
  );
}
