import { useEffect, useId, useState } from "preact/hooks";
import { route, setQuery } from "../../app/route.ts";
import { NumberBox, Part, Select, Switch } from "../../controls/fields.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import type { LineStyle } from "../../chart/types.ts";

/** A setting of a figure: its key in the address and to the server, and how it is asked for. */
export interface Field {
  key: string;
  label: string;
  hint?: string;
  /** What the server takes where nothing is given; `own` is an on/off with a number. */
  usual: string;
  kind: "number" | "whole" | "text" | "one" | "many" | "switch" | "own";
  low?: number;
  high?: number;
  options?: readonly string[];
  styles?: (name: string) => LineStyle;
}

/** The value in the address, or the usual one. */
export function valueOf(field: Field): string {
  return route.value.query[field.key] ?? field.usual;
}

/** Write a setting into the address; the usual value is left out. */
export function setField(field: Field, value: string): void {
  setQuery({ [field.key]: value === field.usual ? "" : value });
}

/** Controls for settings, each hidden by a teacher's link that names its key. */
export function Fields({ fields }: { fields: readonly Field[] }) {
  return (
    <>
      {fields.map((field) => (
        <Part key={field.key} name={field.key}>
          <One field={field} />
        </Part>
      ))}
    </>
  );
}

function One({ field }: { field: Field }) {
  const { label, hint, kind, options = [], low = 0, high = 1e6 } = field;
  const value = valueOf(field);
  const set = (text: string) => setField(field, text);
  const isWhole = kind === "whole";
  if (kind === "number" || isWhole)
    return <NumberBox label={label} hint={hint} value={Number(value)} low={low} high={high} isWhole={isWhole} onChange={(x) => set(String(x))} />;
  if (kind === "one")
    return <Select label={label} hint={hint} value={value} options={options.map((name) => ({ value: name, label: spoken(name) }))} onChange={set} />;
  if (kind === "switch") return <Switch label={label} isOn={value === "1"} onChange={(isOn) => set(isOn ? "1" : "0")} />;
  if (kind === "own")
    return (
      <>
        <Switch label={label} isOn={value !== ""} onChange={(isOn) => set(isOn ? String(low) : "")} />
        {value !== "" && <NumberBox label={hint ?? label} value={Number(value)} low={1e-6} high={high} onChange={(x) => set(String(x))} />}
      </>
    );
  if (kind === "text") return <TextBox label={label} hint={hint} value={value} onChange={set} />;
  const chosen = value.split(",").filter(Boolean);
  return (
    <fieldset class="field">
      <legend>{label}</legend>
      <div>
      {options.map((name) => {
        const style = field.styles?.(name);
        const next = (isOn: boolean) => options.filter((one) => (one === name ? isOn : chosen.includes(one))).join(",");
        return (
          <Switch
            key={name}
            label={
              <>
                {style && <Swatch style={style} />} {spoken(name)}
              </>
            }
            isOn={chosen.includes(name)}
            onChange={(isOn) => set(next(isOn))}
          />
        );
      })}
      </div>
      {hint && <p class="hint">{hint}</p>}
    </fieldset>
  );
}

/** A registry's name as a person writes it. */
export function spoken(name: string): string {
  return name.replaceAll("_", "-") || "none";
}

/** A box for text, taken over on Enter or on leaving it. */
export function TextBox({ label, hint, value, onChange }: { label: string; hint?: string | undefined; value: string; onChange(text: string): void }) {
  const [text, setText] = useState(value);
  const id = useId();
  useEffect(() => setText(value), [value]);
  const take = () => text.trim() !== value && onChange(text.trim());
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        autocomplete="off"
        spellcheck={false}
        value={text}
        aria-describedby={hint ? `${id}-said` : undefined}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={take}
        onKeyDown={(event) => event.key === "Enter" && take()}
      />
      {hint && (
        <p id={`${id}-said`} class="hint">
          {hint}
        </p>
      )}
    </div>
  );
}
