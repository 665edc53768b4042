import { computed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData } from "../../chart/types.ts";
import { useAnswer } from "../figure/answer.ts";
import { type Figure, FigurePage, Key, Table } from "../figure/figure.tsx";
import type { Field } from "../figure/fields.tsx";
import { seriesStyle } from "../figure/series.ts";
import { number } from "../../pure/format.ts";
import { middle } from "../../pure/median.ts";

interface Levels {
  label: string;
  backward_factor: (number | null)[];
  activations: number[][];
  signals: number[][];
}
type Found = Figure<{ depth: number; networks: Levels[] }>;
type Known = Record<"activations" | "initialisations" | "normalisations", string[]>;

/** Gradients through the layers of deep networks, before any training. */
export function Depth() {
  const known = useAnswer<Known>("/api/figures").found;
  const many = (key: keyof Known, label: string, hint?: string): Field => ({ key, label, kind: "many", usual: "", options: known?.[key] ?? [], ...(hint && { hint }) });
  const fields: Field[] = [
    { key: "depth", label: "Layers", kind: "whole", usual: "50", low: 2, high: 200 },
    { key: "width", label: "Width", kind: "whole", usual: "64", low: 2, high: 256 },
    many("activations", "Activation"),
    many("initialisations", "Initialisation"),
    many("normalisations", "Normalisation", "Of the three: nothing ticked is a selection; else every combination is drawn."),
    { key: "residual", label: "Residual: x + f(x)", kind: "switch", usual: "0" },
    { key: "seeds", label: "Draws", kind: "whole", usual: "5", low: 1, high: 10 },
  ];
  return (
    <FigurePage<Found>
      name="depth"
      title="Depth"
      lead="Every layer multiplies the gradient on its way back. Notice that a factor a little off one is a cliff after fifty layers."
      fields={fields}
    >
      {(found) => (
        <>
          <Curves found={found} part="signals" title="Gradient that reaches each layer's output" up="root mean square" />
          <Curves found={found} part="activations" title="Size of each layer's output" up="root mean square" />
          <Table
            caption="By what one layer multiplies the gradient on its way back: geometric mean over the layers, median of the draws"
            heads={["network", "factor"]}
            rows={found.numbers.networks.map((one) => [one.label, number(middle(one.backward_factor.map((x) => x ?? Number.NaN)))])}
          />
        </>
      )}
    </FigurePage>
  );
}

function Curves({ found, part, title, up }: { found: Found; part: "signals" | "activations"; title: string; up: string }) {
  const { networks, depth } = found.numbers;
  const data = useMemo(() => {
    const x = Array.from({ length: depth }, (_, layer) => layer + 1);
    const over = (rows: number[][], take: (values: number[]) => number) => x.map((_, layer) => take(rows.map((row) => row[layer] as number)));
    return computed<ChartData>(() => ({
      lines: networks.map((one, place) => ({
        key: one.label,
        label: one.label,
        style: seriesStyle(place),
        x,
        y: over(one[part], middle),
        band: { low: over(one[part], (values) => Math.min(...values)), high: over(one[part], (values) => Math.max(...values)) },
      })),
      x: { label: "layer" },
      y: { label: up, isLog: true, low: 1e-60 },
      marks: part === "signals" ? [{ along: "y", at: 2 ** -24, label: "float16 ends here" }] : [],
    }));
  }, [found]);
  const said = networks.map((one) => `${one.label}: ${number(middle(one[part].map((row) => row[0] as number)))}`).join("; ");
  return (
    <>
      <Chart title={title} summary={`At the first layer, ${said}.`} data={data} height={320} />
      <Key lines={networks.map((one, place) => ({ label: one.label, style: seriesStyle(place) }))} isSpare />
    </>
  );
}
