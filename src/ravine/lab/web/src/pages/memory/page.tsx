import { useAnswer } from "../figure/answer.ts";
import { type Figure, FigurePage, Table } from "../figure/figure.tsx";
import { type Field, valueOf } from "../figure/fields.tsx";
import { size } from "../../pure/bytes.ts";
import { number } from "../../pure/format.ts";

type Bytes = Record<string, number>;
type Found = Figure<{ model: { name: string; rows: number | null }; plans: { bytes: Bytes; bytes_per_parameter: Bytes }[] }, { labels: string[] }>;
interface Known {
  precisions: Record<string, string>;
  weights: string[];
  tasks: string[];
}

const PARTS = ["parameters", "copies", "gradients", "master", "state", "buffers", "activations"];
const NAMES = ["weights", "copies for autocast", "gradients", "master weights", "optimiser state", "buffers", "activations"];
const OFFERED = ["sgd", "momentum", "lion", "adafactor", "adam", "adamw", "muon", "shampoo", "soap"];
const OPTIMIZERS: Field = { key: "optimizers", label: "Optimisers", kind: "many", usual: "", options: OFFERED, hint: "None: a selection of plans." };

/** What training takes in memory, a bar for each plan. */
export function Memory() {
  const known = useAnswer<Known>("/api/figures").found;
  const one = (key: string, label: string, usual: string, options: string[]): Field => ({ key, label, kind: "one", usual, options });
  const fields: Field[] = [
    { key: "params", label: "Parameters", kind: "number", usual: "124000000", low: 1, high: 1e15 },
    one("task", "Or the model of a task", "", ["", ...(known?.tasks ?? [])]),
    OPTIMIZERS,
    // Without optimisers the server takes its own plans, and refuses what would have no effect on them.
    ...(valueOf(OPTIMIZERS)
      ? [
          one("precision", "Precision", "fp32", Object.keys(known?.precisions ?? { fp32: "" })),
          one("bits", "Bits of the state", "32", ["32", "16", "8"]),
          one("zero", "ZeRO stage", "0", ["0", "1", "2", "3"]),
          { key: "shards", label: "Processes", kind: "whole", usual: "1", low: 1, high: 1e5 } as Field,
        ]
      : []),
  ];
  return (
    <FigurePage<Found>
      name="memory"
      title="Memory"
      lead="Bytes (B) for every parameter, and in all. Notice that the weights themselves are the smaller part: the optimiser's state is what a choice of optimiser costs."
      fields={fields}
    >
      {(found) => <Bars found={found} />}
    </FigurePage>
  );
}

function Bars({ found }: { found: Found }) {
  const { model, plans } = found.numbers;
  const totals = plans.map((plan) => plan.bytes_per_parameter.total ?? 0);
  const most = Math.max(...totals);
  const used = PARTS.filter((part) => plans.some((plan) => plan.bytes[part]));
  return (
    <>
      <h2>{model.name}</h2>
      <p class="plan-key">
        {used.map((part) => (
          <span key={part}>
            <i class={`part-${part}`} /> {NAMES[PARTS.indexOf(part)]}
          </span>
        ))}
      </p>
      <div aria-hidden="true">
        {plans.map((plan, place) => (
          <div key={place} class="plan">
            <span>{found.drawn.labels[place]}</span>
            <div>
              {used.map((part) => (
                <i key={part} class={`part-${part}`} style={{ width: `${(82 * (plan.bytes_per_parameter[part] ?? 0)) / most}%` }} />
              ))}
              <b>
                {number(totals[place])} B · {size(plan.bytes.total ?? 0)}
              </b>
            </div>
          </div>
        ))}
      </div>
      <p class="quiet note">
        {model.rows === null
          ? "Activations depend on the model and its batch: choose a task to have them measured."
          : `Activations: what the forward of one batch of ${model.rows} saves for the backward pass, measured.`}
      </p>
      <Table
        caption="Bytes for every parameter, and in all for one process"
        heads={["plan", ...used.map((part) => NAMES[PARTS.indexOf(part)] as string), "together", "in all"]}
        rows={plans.map((plan, place) => [
          found.drawn.labels[place],
          ...used.map((part) => (plan.bytes[part] ? number(plan.bytes_per_parameter[part]) : "")),
          number(totals[place]),
          size(plan.bytes.total ?? 0),
        ])}
      />
    </>
  );
}
