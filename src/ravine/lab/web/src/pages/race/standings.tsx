import { styleOf } from "../../app/catalogue.ts";
import { NumberBox, Part } from "../../controls/fields.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import { number, rate, whole } from "../../pure/format.ts";
import { part } from "../../pure/part.ts";
import type { Inspector } from "../../protocol.ts";
import { scene, setTarget, target } from "./scene.ts";
import { lanes, lit, snapshot } from "./store.ts";

/** The order by steps to the target. */
export function Ranking() {
  const { places, step } = scene.value;
  return (
    <section aria-label="Ranking">
      <h2>Ranking by steps to the target</h2>
      <Part name="target">
        <NumberBox label="Target (validation loss)" value={target.value} low={1e-12} high={1e6} onChange={setTarget} />
      </Part>
      <div class="scroll" tabIndex={0} role="region" aria-label="Ranking, table">
        <table class="standings">
          <caption>
            <span>At step {whole(step)}. One seed shows an order, not a verdict.</span>
          </caption>
          <thead>
            <tr>
              <th scope="col">#</th>
              <th scope="col">Optimiser</th>
              <th scope="col" class="number">
                Rate
              </th>
              <th scope="col" class="number">
                Steps to {rate(target.value)}
              </th>
              <th scope="col" class="number">
                Loss
              </th>
            </tr>
          </thead>
          <tbody>
            {places.map((place) => (
              <tr key={place.lane.optimizer} class={lit.value === place.lane.optimizer ? "lit" : undefined}>
                <td>{place.diverged === null ? place.rank : "–"}</td>
                <th scope="row">
                  <Name name={place.lane.optimizer} />
                </th>
                <td class="number">{rate(place.lane.lr)}</td>
                <td class="number">{place.diverged !== null ? `diverged at ${whole(place.diverged)}` : place.reached === null ? "not yet" : whole(place.reached)}</td>
                <td class="number">{place.diverged !== null ? "–" : number(place.loss)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** A lane's name; pressing it lets the lane stand out in every panel. */
function Name({ name }: { name: string }) {
  const isLit = lit.value === name;
  return (
    <button type="button" class="name" aria-pressed={isLit} onClick={() => (lit.value = isLit ? null : name)}>
      <Swatch style={styleOf(name)} /> {name}
    </button>
  );
}

const ROWS: readonly { key: keyof Inspector; label: string; hint: string }[] = [
  { key: "gradient_norm", label: "Gradient", hint: "length of the gradient" },
  { key: "m_norm", label: "m", hint: "first moment: the running direction" },
  { key: "v_norm", label: "v", hint: "second moment: the running size" },
  { key: "effective_lr", label: "Effective lr", hint: "length of the update over that of the gradient" },
  { key: "update_norm", label: "Update", hint: "how far the weights moved" },
];

/** What goes on inside every lane at this step, from gradient over state to update. */
export function Inside() {
  const found = snapshot.value?.inspector;
  return (
    <section aria-label="Inspector">
      <h2>Inside the optimisers</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Inside the optimisers, table">
        <table class="inside">
          <caption>
            <span>Norms over all weights after step {whole(snapshot.value?.step ?? 0)}; bars are logarithmic, by column.</span>
          </caption>
          <thead>
            <tr>
              <th scope="col">Optimiser</th>
              {ROWS.map((row) => (
                <th key={row.key} scope="col" class="number" title={row.hint}>
                  {row.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lanes.value.map((lane) => (
              <tr key={lane.optimizer} class={lit.value === lane.optimizer ? "lit" : undefined}>
                <th scope="row">
                  <Name name={lane.optimizer} />
                </th>
                {ROWS.map((row) => (
                  <td key={row.key} class="number bar-cell" style={{ "--part": part(found?.[row.key][lane.lane], found?.[row.key] ?? []) }}>
                    {number(found?.[row.key][lane.lane], 2)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
