import { useState } from "preact/hooks";
import { catalogue } from "../../app/catalogue.ts";
import { NumberBox, Part, Select, Switch } from "../../controls/fields.tsx";
import { Problem } from "../../controls/problem.tsx";
import { ApiError, post } from "../../net/api.ts";
import type { Curve, Setting, Target } from "../../protocol.ts";
import { target } from "./scene.ts";
import { apply, hello, setting } from "./store.ts";

const CURVES: Record<string, string> = {
  "two-bumps": "Two bumps",
  sawtooth: "Sawtooth",
  sine: "Sine",
  step: "Step",
  "noisy-line": "Noisy line",
  formula: "A formula of yours",
  csv: "Points of yours (CSV)",
};

/** What is learnt. */
export function TaskChoice() {
  const now = setting.value;
  const offer = catalogue.value;
  const [asked, setAsked] = useState<"formula" | "csv" | null>(null);
  if (!now || !offer) return null;
  const chosen = asked ? `curve:${asked}` : now.task === "curve" ? `curve:${now.task_options.target}` : now.task;
  const choose = (value: string) => {
    const [task = "", curve] = value.split(":");
    if (curve === "formula" || curve === "csv") return setAsked(curve);
    setAsked(null);
    void apply(taskSetting(now, offer.tasks.find((one) => one.name === task), task as Setting["task"], curve as Target));
  };
  return (
      <Part name="task">
        <Select
          label="Task"
          value={chosen}
          options={offer.tasks.flatMap((task) =>
            task.kind === "curve"
              ? task.targets.map((name) => ({ value: `curve:${name}`, label: CURVES[name] ?? name }))
              : [{ value: task.name, label: task.title }],
          )}
          onChange={choose}
        />
        {(chosen === "curve:formula" || asked === "formula") && <OwnFormula key={hello.value?.setting.task_options.formula} onDone={() => setAsked(null)} />}
        {(chosen === "curve:csv" || asked === "csv") && <OwnPoints onDone={() => setAsked(null)} />}
      </Part>
  );
}

/** Network, data order, length. */
export function Setup() {
  const now = setting.value;
  const offer = catalogue.value;
  if (!now || !offer) return null;
  const entry = offer.tasks.find((task) => task.name === now.task);
  return (
    <>
      <div class="pairs">
        {entry?.width !== null && (
          <Part name="width">
            <NumberBox label="Width" value={now.width} low={1} high={offer.limits.width} isWhole onChange={(width) => apply({ width })} />
          </Part>
        )}
        <Part name="seed">
          <NumberBox label="Seed" value={now.seed} low={0} high={2 ** 31 - 1} isWhole onChange={(seed) => apply({ seed })} />
        </Part>
        <Part name="steps">
          <NumberBox label="Steps" value={now.steps} low={1} high={offer.limits.steps} isWhole onChange={(steps) => apply({ steps })} />
        </Part>
        {now.batch_size !== null && (
          <Part name="batch">
            <NumberBox
              label="Batch size"
              value={now.batch_size}
              low={1}
              high={offer.limits.batch_size}
              isWhole
              onChange={(batch_size) => apply({ batch_size })}
            />
          </Part>
        )}
      </div>
      <Part name="schedule">
        <Select
          label="Schedule"
          value={now.schedule}
          options={offer.schedules.map(({ name }) => ({ value: name, label: name.replaceAll("_", " ") }))}
          onChange={(schedule) => apply({ schedule })}
        />
      </Part>
      <Part name="stop">
        <Switch
          label="Stop when all are at the target"
          isOn={now.stop.target !== undefined}
          onChange={(isOn) => apply({ stop: isOn ? { ...now.stop, target: target.value } : without(now.stop, "target") })}
        />
        <Switch
          label="Stop on a plateau"
          isOn={now.stop.plateau !== undefined}
          onChange={(isOn) => apply({ stop: isOn ? { ...now.stop, plateau: Math.max(1, Math.round(now.steps / 5)) } : without(now.stop, "plateau") })}
        />
      </Part>
    </>
  );
}

/** The setting for another task: its own width and batch size, everything else as it was. */
export function taskSetting(now: Setting, entry: { width: number | null; batch_size: number | null } | undefined, task: Setting["task"], curve?: Target): Partial<Setting> {
  const isSame = task === now.task;
  return {
    task,
    task_options: task === "curve" && curve ? { target: curve } : {},
    width: isSame ? now.width : (entry?.width ?? now.width),
    batch_size: isSame ? now.batch_size : (entry?.batch_size ?? null),
    stop: without(now.stop, "target"),
  };
}

function without(stop: Setting["stop"], key: keyof Setting["stop"]): Setting["stop"] {
  return Object.fromEntries(Object.entries(stop).filter(([name]) => name !== key));
}

function OwnFormula({ onDone }: { onDone: () => void }) {
  const now = setting.value as Setting;
  const [formula, setFormula] = useState(now.task_options.formula ?? "sin(3 * x) + 0.3 * x");
  const race = async (event: Event) => {
    event.preventDefault();
    // A formula that was refused stays to be mended.
    if (await apply({ ...taskSetting(now, undefined, "curve"), batch_size: null, task_options: { target: "formula", formula } })) onDone();
  };
  return (
    <form class="field" onSubmit={race}>
      <label for="formula">f(x), for x from −1 to 1</label>
      <input id="formula" type="text" value={formula} spellcheck={false} autocomplete="off" onInput={(event) => setFormula(event.currentTarget.value)} />
      <button type="submit" class="small">
        Race this formula
      </button>
    </form>
  );
}

function OwnPoints({ onDone }: { onDone: () => void }) {
  const [said, setSaid] = useState("");
  const send = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (!file) return;
    // The same file, mended, can be chosen again.
    input.value = "";
    try {
      const { curve } = await post<Curve>("/api/curves", { csv: await file.text() });
      setSaid("");
      if (await apply({ ...taskSetting(setting.value as Setting, undefined, "curve"), batch_size: null, task_options: { target: "csv", curve } })) onDone();
    } catch (error) {
      setSaid(error instanceof ApiError ? error.message : `${file.name} cannot be read: ${String(error)}. Choose a text file of two columns.`);
    }
  };
  return (
    <div class="field">
      <label for="points">A CSV file of two columns, x and y</label>
      <input id="points" type="file" accept=".csv,text/csv,text/plain" onChange={(event) => send(event.currentTarget)} />
      <Problem text={said} />
    </div>
  );
}
