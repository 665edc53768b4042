import { useEffect, useState } from "preact/hooks";
import { announce } from "../../app/announce.ts";
import { isStill } from "../../app/theme.ts";
import type { LineStyle } from "../../chart/types.ts";
import { Swatch } from "../../controls/swatch.tsx";
import { number } from "../../pure/format.ts";
import { part } from "../../pure/part.ts";
import type { Inspector } from "../../protocol.ts";
import { phases } from "./step_words.ts";

export interface OneStepProps {
  step: number;
  lanes: readonly { name: string; style: LineStyle }[];
  /** What goes on inside after the step, and after the one before. */
  inside: Inspector;
  before: Inspector | undefined;
}

const COLUMNS: readonly { key: keyof Inspector; label: string; turn: number }[] = [
  { key: "gradient_norm", label: "1. Gradient", turn: 0 },
  { key: "m_norm", label: "2. State: m", turn: 1 },
  { key: "v_norm", label: "and v", turn: 1 },
  { key: "update_norm", label: "3. Update", turn: 2 },
];

/** One step taken apart: gradient, then state, then update, one after the other; all at once for who wants little motion. */
export function OneStep({ step, lanes, inside, before }: OneStepProps) {
  const [again, setAgain] = useState(0);
  const said = phases(lanes.map((lane) => lane.name), inside);
  useEffect(() => announce(`Step ${step}. ${said.join(" ")}`), [step]);
  return (
    <section class="one-step" aria-label="One step">
      <h2>
        Step {step}, from gradient over state to update
        {!isStill.value && (
          <button type="button" class="small" onClick={() => setAgain(again + 1)}>
            Show again
          </button>
        )}
      </h2>
      <div key={`${step} ${again}`} class={isStill.value ? undefined : "moving"}>
        <ol>
          {said.map((text, turn) => (
            <li key={turn} class="phase" style={{ "--turn": turn }}>
              {text}
            </li>
          ))}
        </ol>
        <div class="scroll" tabIndex={0} role="region" aria-label="One step, table">
          <table>
            <caption>Lengths over all weights; bars are logarithmic, by column, and grow from the step before.</caption>
            <thead>
              <tr>
                <th scope="col">Optimiser</th>
                {COLUMNS.map(({ key, label, turn }) => (
                  <th key={key} scope="col" class="phase" style={{ "--turn": turn }}>
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {lanes.map(({ name, style }, lane) => (
                <tr key={name} style={{ "--bar": `light-dark(${style.colour.light}, ${style.colour.dark})` }}>
                  <th scope="row">
                    <Swatch style={style} /> {name}
                  </th>
                  {COLUMNS.map(({ key, turn }) => {
                    const among = [...inside[key], ...(before?.[key] ?? [])];
                    return (
                      <td key={key} class="phase" style={{ "--turn": turn, "--was": part(before?.[key][lane], among), "--part": part(inside[key][lane], among) }}>
                        <i aria-hidden="true" /> {number(inside[key][lane], 3)}
                      </td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </section>
  );
}
