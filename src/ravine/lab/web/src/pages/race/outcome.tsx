import { catalogue, styleOf } from "../../app/catalogue.ts";
import { Choices, Part } from "../../controls/fields.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import { rate } from "../../pure/format.ts";
import { calmer, fixed } from "./rates.ts";
import { scene } from "./scene.ts";
import { apply, beat, control, guess, history, landmarks, lanes, setting, status } from "./store.ts";
import { sentence, verdict } from "./words.ts";

/** A guess before Play, and how it turned out; it never stands in the way. */
export function Guess() {
  const { state, step } = status.value;
  // While rates are tuned nobody is there to guess at.
  if (step > 0 ? guess.value === null : !lanes.value.length) return null;
  if (step === 0)
    return (
      <Part name="guess">
        <Choices
          label="Which one will be first at the target? (optional)"
          value={guess.value ?? ""}
          options={lanes.value.map((lane) => ({ value: lane.optimizer, label: lane.optimizer }))}
          onChange={(name) => (guess.value = name)}
        />
      </Part>
    );
  return <p class="guess">{state === "done" ? verdict(guess.value ?? "", scene.value) : `You said ${guess.value}.`}</p>;
}

/** Lanes that diverged: when, why, what to do, and a button that does it. */
export function Broken() {
  beat.value;
  const ended = lanes.value.flatMap((lane) => history.diverged[lane.lane] ?? []);
  if (!ended.length) return null;
  return (
    <section class="broken-lanes" aria-label="Diverged">
      {ended.map((one) => {
        const lane = lanes.value[one.lane];
        if (!lane) return null;
        const low = catalogue.value?.optimizers.find((entry) => entry.name === lane.optimizer)?.lr.low ?? 0;
        const better = calmer(lane, landmarks.value, low, one.remedy);
        const repair = async () => {
          await apply({ lrs: fixed(lanes.value, lane.optimizer, better) });
          await control({ do: "play" });
        };
        return (
          <article key={lane.optimizer} class="panel">
            <h3>
              <Swatch style={styleOf(lane.optimizer)} /> {lane.optimizer} diverged at step {one.step}
            </h3>
            <p>{sentence(one.reason)}</p>
            <p class="quiet">{one.remedy}</p>
            <Part name="rates">
              <button type="button" class="small" disabled={!setting.value} onClick={repair}>
                Race again with {lane.optimizer} at {rate(better)}
              </button>
            </Part>
          </article>
        );
      })}
    </section>
  );
}
