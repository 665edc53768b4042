import { Part, Slider } from "../../controls/fields.tsx";
import { isStill } from "../../app/theme.ts";
import { whole } from "../../pure/format.ts";
import { back, control, look, setting, status, stepShown, viewed } from "./store.ts";

/** Steps a second; the last is as fast as it goes. */
const SPEEDS = [1, 3, 10, 30, 100, 300, 1000, null] as const;

/** Play, step, reset, speed, and the way back. */
export function Bar() {
  const { state, running, step } = status.value;
  const steps = setting.value?.steps ?? 0;
  const isDone = state === "done";
  const isReady = state !== "preparing";
  const play = async () => {
    if (isDone) await control({ do: "reset" });
    await control({ do: running ? "pause" : "play" });
  };
  const name = running ? "Pause" : isDone ? "Play again" : isStill.value ? `Run to step ${whole(steps)}` : step ? "Go on" : "Play";
  return (
    <section class="bar" aria-label="Playing">
      <div class="bar-buttons">
        <button type="button" class="main play" disabled={!isReady} onClick={play}>
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <path d={running ? "M4 3h4v14H4zM12 3h4v14h-4z" : "M5 2.5v15L17.5 10z"} />
          </svg>
          {name}
        </button>
        <button type="button" disabled={!isReady || running || isDone} onClick={() => control({ do: "step", steps: 1 })}>
          One step
        </button>
        <button type="button" disabled={!isReady || (step === 0 && !running)} onClick={() => control({ do: "reset" })}>
          Reset
        </button>
      </div>
      <Part name="speed">
        <Speed />
      </Part>
      <Scrubber step={step} steps={steps} />
    </section>
  );
}

function Speed() {
  const { speed } = status.value;
  const place = speed === null ? SPEEDS.length - 1 : Math.max(0, SPEEDS.findIndex((one) => one !== null && one >= speed));
  return (
    <Slider
      label="Speed"
      value={place}
      low={0}
      high={SPEEDS.length - 1}
      isWhole
      shown={(at) => (SPEEDS[at] ? `${SPEEDS[at]} a second` : "as it goes")}
      onChange={(at) => {
        status.value = { ...status.value, speed: SPEEDS[at] ?? null };
        void control({ do: "speed", speed: SPEEDS[at] ?? null });
      }}
    />
  );
}

function Scrubber({ step, steps }: { step: number; steps: number }) {
  const shown = stepShown.value;
  return (
    <div class="slider scrubber">
      <div class="slider-way">
        <label for="scrub">Step</label>
        <input
          id="scrub"
          type="range"
          min={0}
          max={steps}
          value={shown}
          disabled={step === 0}
          aria-valuetext={`step ${shown} of ${steps}${viewed.value === null ? "" : `, looking back from ${step}`}`}
          onInput={(event) => look(Number(event.currentTarget.value))}
        />
      </div>
      <output for="scrub">
        {whole(shown)} of {whole(steps)}
        {viewed.value !== null && (
          <button type="button" class="small" onClick={back}>
            To the newest
          </button>
        )}
      </output>
    </div>
  );
}
