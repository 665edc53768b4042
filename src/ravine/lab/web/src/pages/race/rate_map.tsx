import { useState } from "preact/hooks";
import { styleOf } from "../../app/catalogue.ts";
import { Swatch } from "../../controls/swatch.tsx";
import { rate } from "../../pure/format.ts";
import type { Tuning } from "../../protocol.ts";
import { HIGH, LOW } from "./entrants.tsx";
import { apply, askLandmarks, landmarks, lanes } from "./store.ts";
import { sentence } from "./words.ts";

const across = (value: number) => Math.min(1, Math.max(0, Math.log(value / LOW) / Math.log(HIGH / LOW)));

/** Where each optimiser's rates work: its default, the best of a sweep, and above which it diverges, on the slider's own scale. */
export function RateMap({ now }: { now: number | null }) {
  const [isAsking, setAsking] = useState(false);
  const found = landmarks.value;
  const ask = async () => {
    setAsking(true);
    await askLandmarks();
    setAsking(false);
  };
  if (!found)
    return (
      <p>
        <button type="button" class="small" disabled={isAsking} onClick={ask}>
          {isAsking ? "Sweeping the rates…" : "Show where rates work"}
        </button>
      </p>
    );
  const rows = lanes.value.flatMap((lane) => {
    const tuning = found.by_optimizer[lane.optimizer];
    return tuning ? [{ name: lane.optimizer, tuning }] : [];
  });
  return (
    <details class="rate-map" open>
      <summary>Where rates work</summary>
      <div class="map">
        {now !== null && <i class="map-now" style={{ left: `${100 * across(now)}%` }} />}
        {rows.map(({ name, tuning }) => (
          <Row key={name} name={name} tuning={tuning} />
        ))}
      </div>
      <p class="hint">
        Bar: rates of the sweep that stay finite. ○ default, ◆ best of the sweep (press it to race there), ✕ diverges from here on.{" "}
        {sentence(found.protocol)}
      </p>
    </details>
  );
}

function Row({ name, tuning }: { name: string; tuning: Tuning }) {
  const style = styleOf(name);
  const start = across(tuning.rates[0] ?? LOW);
  const stop = across(tuning.diverges_above ?? tuning.rates[tuning.rates.length - 1] ?? HIGH);
  const said = `${name}: default ${rate(tuning.default)}, best ${rate(tuning.tuned)}, ${
    tuning.diverges_above === null ? "no rate of the sweep diverges" : `diverges above ${rate(tuning.diverges_above)}`
  }`;
  return (
    <div class="map-row" style={{ "--line": `light-dark(${style.colour.light}, ${style.colour.dark})` }}>
      <span class="map-name">
        <Swatch style={style} /> {name}
      </span>
      <span class="map-way" role="img" aria-label={said} title={said}>
        <i class="map-bar" style={{ left: `${100 * start}%`, width: `${100 * (stop - start)}%` }} />
        <i class="map-default" style={{ left: `${100 * across(tuning.default)}%` }} />
        {tuning.diverges_above !== null && (
          <i class="map-end" style={{ left: `${100 * stop}%` }}>
            ✕
          </i>
        )}
      </span>
      {tuning.tuned !== null && (
        <button type="button" class="map-best" onClick={() => apply({ lrs: tuning.tuned as number })} aria-label={`Race all at ${rate(tuning.tuned)}, the best of ${name}`}>
          ◆ {rate(tuning.tuned)}
        </button>
      )}
    </div>
  );
}
