import type { ComponentChildren } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { hidden } from "../app/route.ts";
import { rate } from "../pure/format.ts";

/** A part that a teacher's link can hide by its name: `hide=speed,seed`. */
export function Part({ name, children }: { name: string; children: ComponentChildren }) {
  return hidden.value.has(name) ? null : <>{children}</>;
}

interface Labelled {
  label: string;
  /** Said under the control. */
  hint?: string | undefined;
}

interface NumberProps extends Labelled {
  value: number;
  low: number;
  high: number;
  isWhole?: boolean;
  onChange(value: number): void;
}

/** A box for a number: taken over on Enter or on leaving it; a value that is not allowed stays, with a sentence. */
export function NumberBox({ label, hint, value, low, high, isWhole = false, onChange }: NumberProps) {
  const [text, setText] = useState(shownNumber(value, isWhole));
  const [error, setError] = useState("");
  const id = useId();
  useEffect(() => {
    setText(shownNumber(value, isWhole));
    setError("");
  }, [value, isWhole]);
  const take = () => {
    const found = Number(text.trim().replace(",", "."));
    const isAllowed = text.trim() !== "" && Number.isFinite(found) && found >= low && found <= high && (!isWhole || Number.isInteger(found));
    setError(isAllowed ? "" : `${label} is “${text}”; give a${isWhole ? " whole" : ""} number from ${rate(low)} to ${rate(high)}.`);
    if (isAllowed && found !== value) onChange(found);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        inputMode="decimal"
        autocomplete="off"
        value={text}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={error || hint ? `${id}-said` : undefined}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={take}
        onKeyDown={(event) => event.key === "Enter" && take()}
      />
      <Said id={id} error={error} hint={hint} />
    </div>
  );
}

interface ChoiceProps extends Labelled {
  value: string;
  options: readonly { value: string; label: string }[];
  onChange(value: string): void;
}

/** One of several, as the system's own list. */
export function Select({ label, hint, value, options, onChange }: ChoiceProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} aria-describedby={hint ? `${id}-said` : undefined} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      <Said id={id} error="" hint={hint} />
    </div>
  );
}

/** One of a few, all visible. */
export function Choices({ label, hint, value, options, onChange }: ChoiceProps) {
  const name = useId();
  return (
    <fieldset class="field choices">
      <legend>{label}</legend>
      <div class="segments">
        {options.map((option) => (
          <label key={option.value}>
            <input type="radio" name={name} value={option.value} checked={option.value === value} onChange={() => onChange(option.value)} />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
      {hint && <p class="hint">{hint}</p>}
    </fieldset>
  );
}

/** On or off. */
export function Switch({ label, isOn, onChange }: { label: ComponentChildren; isOn: boolean; onChange(isOn: boolean): void }) {
  return (
    <label class="switch">
      <input type="checkbox" checked={isOn} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}

export interface Landmark {
  at: number;
  label: string;
}

interface SliderProps extends Labelled {
  value: number;
  low: number;
  high: number;
  /** Equal ways on the slider are equal factors. */
  isLog?: boolean;
  isWhole?: boolean;
  landmarks?: readonly Landmark[];
  /** What is shown of a value; a box with the number itself if left out. */
  shown?: (value: number) => string;
  onChange(value: number): void;
}

const PARTS = 1000;

/** A native slider and, beside it, a box for the same number: nothing needs to be dragged. */
export function Slider(props: SliderProps) {
  const { label, hint, value, low, high, isLog = false, isWhole = false, landmarks = [], shown, onChange } = props;
  const id = useId();
  const isStepped = isWhole && !isLog;
  const place = (number: number) => (isLog ? Math.log(number / low) / Math.log(high / low) : (number - low) / (high - low));
  const at = (part: number) => {
    const found = isLog ? low * (high / low) ** (part / PARTS) : low + ((high - low) * part) / PARTS;
    return isWhole ? Math.round(found) : Number(found.toPrecision(2));
  };
  return (
    <div class="slider">
      <div class="slider-way">
        <label for={id}>{label}</label>
        <input
          id={id}
          type="range"
          min={isStepped ? low : 0}
          max={isStepped ? high : PARTS}
          step={isStepped ? 1 : 5}
          value={isStepped ? value : Math.round(place(value) * PARTS)}
          aria-valuetext={shown ? shown(value) : rate(value)}
          onInput={(event) => onChange(isStepped ? Number(event.currentTarget.value) : at(Number(event.currentTarget.value)))}
        />
        {landmarks.length > 0 && (
          <div class="landmarks">
            {landmarks
              .filter((mark) => mark.at >= low && mark.at <= high)
              .map((mark) => (
                <button key={mark.label} type="button" style={{ left: `${100 * place(mark.at)}%` }} onClick={() => onChange(mark.at)}>
                  {mark.label}
                </button>
              ))}
          </div>
        )}
        {hint && <p class="hint">{hint}</p>}
      </div>
      {shown ? (
        <output for={id}>{shown(value)}</output>
      ) : (
        <NumberBox label={`${label}, as a number`} value={value} low={low} high={high} isWhole={isWhole} onChange={onChange} />
      )}
    </div>
  );
}

function Said({ id, error, hint }: { id: string; error: string; hint: string | undefined }) {
  if (!error && !hint) return null;
  return (
    <p id={`${id}-said`} class={error ? "error" : "hint"} role={error ? "alert" : undefined}>
      {error || hint}
    </p>
  );
}

function shownNumber(value: number, isWhole: boolean): string {
  return isWhole ? String(value) : rate(value);
}
