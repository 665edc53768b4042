import { useRef, useState } from "preact/hooks";
import { catalogue, styleOf } from "../../app/catalogue.ts";
import { Choices, NumberBox, Part, Slider } from "../../controls/fields.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import { rate } from "../../pure/format.ts";
import type { Setting } from "../../protocol.ts";
import { shared } from "./rates.ts";
import { RateMap } from "./rate_map.tsx";
import { apply, lanes, setting } from "./store.ts";

/** Slider of a shared rate: as wide as any optimiser can use. */
export const LOW = 1e-5;
export const HIGH = 10;
const WAIT_MS = 350;
const FIRST = ["sgd", "momentum", "rmsprop", "adam", "adamw", "lion", "nesterov", "adagrad"];

/** Who races, and at which rates. */
export function Entrants() {
  return (
    <>
      <Part name="rates">
        <Rates />
      </Part>
      <Part name="optimizers">
        <Optimizers />
      </Part>
    </>
  );
}

function mode(lrs: Setting["lrs"]): "shared" | "own" | "tuned" {
  return lrs === "tuned" ? "tuned" : typeof lrs === "number" ? "shared" : "own";
}

function Rates() {
  const { lrs } = setting.value as Setting;
  const timer = useRef(0);
  const [moving, setMoving] = useState<number | null>(null);
  const running = () => lanes.value.map((lane) => lane.lr);
  const change = (to: string) => {
    if (to === "tuned") return apply({ lrs: "tuned" });
    if (to === "shared") return apply({ lrs: shared(running()) });
    return apply({ lrs: Object.fromEntries(lanes.value.map((lane) => [lane.optimizer, lane.lr])) });
  };
  // A slider on its way asks for many rates; the race begins anew with the one where it rests.
  const settle = (value: number) => {
    setMoving(value);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => {
      setMoving(null);
      void apply({ lrs: value });
    }, WAIT_MS);
  };
  return (
    <>
      <Choices
        label="Learning rate"
        value={mode(lrs)}
        options={[
          { value: "shared", label: "one for all" },
          { value: "tuned", label: "tuned" },
          { value: "own", label: "your own" },
        ]}
        onChange={change}
      />
      {typeof lrs === "number" && <Slider label="Shared rate" value={moving ?? lrs} low={LOW} high={HIGH} isLog onChange={settle} />}
      {lrs === "tuned" && <p class="hint">Each optimiser searches its own rates first, with an equal budget; the protocol stands under the race.</p>}
      <RateMap now={typeof lrs === "number" ? (moving ?? lrs) : null} />
    </>
  );
}

function Optimizers() {
  const { optimizers, lrs } = setting.value as Setting;
  const offer = catalogue.value;
  if (!offer) return null;
  const names = offer.optimizers.map(({ name }) => name);
  const first = [...FIRST.filter((name) => names.includes(name)), ...optimizers.filter((name) => !FIRST.includes(name))];
  const rest = names.filter((name) => !first.includes(name));
  const turn = (name: string, isOn: boolean) => {
    const wanted = names.filter((one) => (one === name ? isOn : optimizers.includes(one)));
    const own = typeof lrs === "object" ? { lrs: ratesFor(wanted, lrs) } : {};
    return apply({ optimizers: wanted, ...own });
  };
  const entry = (name: string) => (
    <Entrant key={name} name={name} isOn={optimizers.includes(name)} isLast={optimizers.length === 1} onTurn={(isOn) => turn(name, isOn)} />
  );
  return (
    <fieldset class="field entrants">
      <legend>
        Optimisers <span class="quiet">{optimizers.length} of {offer.limits.optimizers} at most</span>
      </legend>
      {first.map(entry)}
      {rest.length > 0 && (
        <details>
          <summary>{rest.length} more</summary>
          {rest.map(entry)}
        </details>
      )}
    </fieldset>
  );
}

function Entrant({ name, isOn, isLast, onTurn }: { name: string; isOn: boolean; isLast: boolean; onTurn: (isOn: boolean) => void }) {
  const { lrs, optimizers } = setting.value as Setting;
  const info = catalogue.value?.optimizers.find((one) => one.name === name);
  const isFull = optimizers.length >= (catalogue.value?.limits.optimizers ?? 0);
  const own = typeof lrs === "object" ? lrs[name] : undefined;
  const tuned = lrs === "tuned" ? lanes.value.find((lane) => lane.optimizer === name)?.lr : undefined;
  return (
    <div class="entrant">
      <label class="switch" title={info?.summary}>
        <input type="checkbox" checked={isOn} disabled={isOn ? isLast : isFull} onChange={(event) => onTurn(event.currentTarget.checked)} />
        <Swatch style={styleOf(name)} />
        <span>{name}</span>
      </label>
      {isOn && tuned !== undefined && <span class="quiet">{rate(tuned)}</span>}
      {isOn && own !== undefined && (
        <NumberBox label={`Rate of ${name}`} value={own} low={1e-8} high={1000} onChange={(lr) => apply({ lrs: { ...(lrs as Record<string, number>), [name]: lr } })} />
      )}
    </div>
  );
}

/** The rates given for those who race, the usual one for who has none. */
function ratesFor(names: readonly string[], rates: Record<string, number>): Record<string, number> {
  const usual = (name: string) => catalogue.value?.optimizers.find((one) => one.name === name)?.lr.default ?? 0.01;
  return Object.fromEntries(names.map((name) => [name, rates[name] ?? usual(name)]));
}
