import type { ComponentChildren } from "preact";
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { number } from "../pure/format.ts";
import { Plot } from "./plot.ts";
import { PointsTable } from "./table.tsx";
import type { ChartData } from "./types.ts";

export interface ChartProps {
  title: string;
  /** What the chart shows now, in one sentence, for everyone and for screen readers first. */
  summary: string;
  /** Drawn anew at every change, outside the framework. */
  data: ReadonlySignal<ChartData>;
  height?: number;
  /** Called with the x of a click or of Enter. */
  onPick?: (x: number) => void;
  /** Called with the range of x that is shown, null for all of it: for data that are finer when less is shown. */
  onZoom?: (range: [number, number] | null) => void;
  /** More controls in the line of the title. */
  tools?: ComponentChildren;
}

/** Lines over x: a figure with a caption, a keyboard cursor, a summary and a table. */
export function Chart({ title, summary, data, height = 320, onPick, onZoom, tools }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const said = useMemo(() => signal(""), []);
  const isZoomed = useMemo(() => signal(false), []);
  const pick = useRef(onPick);
  pick.current = onPick;
  const zoom = useRef(onZoom);
  zoom.current = onZoom;

  useEffect(() => {
    const made = new Plot(host.current as HTMLDivElement, data.peek(), height, {
      said: (text) => (said.value = text),
      zoomed: (range) => {
        isZoomed.value = range !== null;
        zoom.current?.(range);
      },
      picked: (x) => pick.current?.(x),
    });
    plot.current = made;
    const stop = effect(() => made.show(data.value));
    return () => {
      stop();
      made.end();
    };
  }, [data, height]);

  return (
    <figure class="chart">
      <div class="chart-head">
        <figcaption>{title}</figcaption>
        {tools}
        <button type="button" class="small" onClick={() => plot.current?.zoomBy(0.5)}>
          Zoom in
        </button>
        {isZoomed.value && (
          <>
            <button type="button" class="small" onClick={() => plot.current?.zoomBy(2)}>
              Zoom out
            </button>
            <button type="button" class="small" onClick={() => plot.current?.zoomTo(null)}>
              Whole
            </button>
          </>
        )}
      </div>
      <div
        ref={host}
        class="chart-host"
        tabIndex={0}
        role="application"
        aria-roledescription="chart"
        aria-label={`${title}. ${summary} Arrow keys read values, up and down change the line, plus and minus zoom, Escape leaves.`}
        onKeyDown={(event) => plot.current?.key(event)}
        onBlur={() => plot.current?.leave()}
      />
      <div class="unseen" aria-live="polite">
        {said.value}
      </div>
      <PointsTable title={title} data={data} format={number} />
    </figure>
  );
}
