import { computed } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { announce } from "../../app/announce.ts";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData } from "../../chart/types.ts";
import { Part } from "../../controls/fields.tsx";
import { Problem } from "../../controls/problem.tsx";
import { post } from "../../net/api.ts";
import { route } from "../../app/route.ts";
import { counted } from "../../pure/format.ts";
import { useAnswer } from "../figure/answer.ts";
import { SettingsPanel, Texts } from "../figure/figure.tsx";
import { type Field, Fields } from "../figure/fields.tsx";
import { useJob } from "../figure/job.ts";
import { seriesStyle } from "../figure/series.ts";

interface Finding {
  severity: string;
  rung: string;
  title: string;
  measured: string;
  threshold: string;
  source: string;
  where: string;
  remedy: string;
}
interface Diagnosis {
  task: { name: string };
  findings: Finding[];
  rungs: { rung: string; verdict: string; measured: string }[];
}
interface Reading {
  numbers: Diagnosis;
  series: Record<string, { name: string; steps: number[]; values: (number | null)[] }>;
  marks: { step: number; label: string }[];
}

const LADDER = [
  ...["loading", "initial loss", "input-independent baseline", "overfit one batch", "gradient check", "rate", "gradients", "update-to-weight"],
  ...["dead units", "activations", "curve", "precision", "curvature", "batch size"],
];
const MOST_BYTES = 1_000_000;

/** Why is this model, or this run, not learning? */
export function Doctor() {
  const tasks = useAnswer<{ tasks: string[] }>("/api/figures").found?.tasks ?? ["digits"];
  const fields: Field[] = [
    { key: "task", label: "Task", kind: "one", usual: "digits", options: tasks, hint: "Your own: ravine lab --task path/to/file.py" },
    { key: "optimizer", label: "Optimiser", kind: "text", usual: "adamw" },
    { key: "lr", label: "Your rate", kind: "number", usual: "0", high: 1e3, hint: "0: not decided yet." },
    { key: "steps", label: "Steps of a short training", kind: "whole", usual: "200", low: 10, high: 2000 },
  ];
  const job = useJob<Diagnosis>();
  const [reading, setReading] = useState<Reading | null>(null);
  const [problem, setProblem] = useState("");
  const examine = () => {
    const { hide: _, ...query } = route.value.query;
    setReading(null);
    void job.start("/api/doctor", query);
  };
  const read = async (file: File) => {
    setProblem(file.size > MOST_BYTES ? `${file.name} has more than 1 MB: read it where it lies with ravine doctor --curve FILE.` : "");
    if (file.size > MOST_BYTES) return;
    try {
      setReading(await post<Reading>("/api/doctor/curve", { name: file.name, text: await file.text() }));
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  const take = (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (file) void read(file);
    // The same file, written anew, can be chosen again.
    input.value = "";
  };
  const shown = reading?.numbers ?? job.result;
  useEffect(() => {
    if (shown) announce(`${shown.task.name}: ${counted(shown.findings.length, "finding")}.`);
  }, [shown]);
  return (
    <article class="figure-page">
      <div class="figure-head">
        <h1>Doctor</h1>
        <p class="lead">A ladder of checks from the data up. Notice where it first breaks: what stands above a broken rung says little.</p>
      </div>
      <section class="figure-settings" aria-label="What is examined">
        <SettingsPanel>
          <Fields fields={fields} />
        </SettingsPanel>
        {job.doing === null ? (
          <button type="button" class="main" onClick={examine}>
            Examine
          </button>
        ) : (
          <button type="button" onClick={job.stop}>
            Stop
          </button>
        )}
        <Part name="curve">
          <h2>Or a run's curve</h2>
          <label class="field">
            <span>CSV or JSON with a column of losses</span>
            <input type="file" accept=".csv,.tsv,.txt,.json,.jsonl" onChange={(event) => take(event.currentTarget)} />
          </label>
        </Part>
      </section>
      <section class="figure-body" aria-label="Findings" aria-busy={job.doing !== null}>
        <Problem text={problem || job.problem} />
        {reading && <Run reading={reading} />}
        {shown ? <Findings found={shown} /> : <p class="quiet">Nothing runs before you press Examine. It takes some seconds to minutes.</p>}
        {!reading && <Ladder doing={job.doing} found={job.result} />}
        {!reading && job.texts && <Texts {...job.texts} />}
      </section>
    </article>
  );
}

function Ladder({ doing, found }: { doing: string | null; found: Diagnosis | null }) {
  const now = doing === null ? -1 : LADDER.indexOf(doing);
  return (
    <ol class="ladder">
      {LADDER.map((name, place) => {
        const rung = found?.rungs.find((one) => one.rung === name);
        const verdict = rung?.verdict ?? (place === now ? "now" : place < now ? "done" : "");
        return (
          <li key={name} class={`is-${verdict}`} aria-current={place === now ? "step" : undefined}>
            <b>{name}</b> <span>{verdict}</span> {rung && <small>{rung.measured}</small>}
          </li>
        );
      })}
    </ol>
  );
}

function Findings({ found }: { found: Diagnosis }) {
  if (!found.findings.length) return <p>{found.task.name}: nothing was found.</p>;
  return (
    <>
      <h2>
        {found.task.name}: {counted(found.findings.length, "finding")}
      </h2>
      {found.findings.map((one, place) => (
        <section key={place} class={`finding is-${one.severity}`}>
          <h3>
            {one.severity}: {one.title}
          </h3>
          <dl>
            {one.where && <Entry name="where" text={one.where} />}
            <Entry name="measured" text={one.measured} />
            {one.threshold !== "none" && <Entry name="allowed" text={one.threshold} />}
            {one.source && <Entry name="source" text={one.source} />}
            <Entry name="do" text={one.remedy} />
          </dl>
        </section>
      ))}
    </>
  );
}

function Entry({ name, text }: { name: string; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </>
  );
}

function Run({ reading }: { reading: Reading }) {
  const data = useMemo(() => {
    const all = Object.values(reading.series);
    const isLog = all.every((one) => one.values.every((value) => value === null || value > 0));
    return computed<ChartData>(() => ({
      lines: all.map((one, place) => ({ key: one.name, label: one.name, style: seriesStyle(place), x: one.steps, y: one.values })),
      x: { label: "step" },
      y: { label: Object.keys(reading.series).every((role) => role.endsWith("loss")) ? "loss" : "value", isLog },
      marks: reading.marks.map((mark) => ({ along: "x", at: mark.step, label: mark.label })),
    }));
  }, [reading]);
  return <Chart title={reading.numbers.task.name} summary={reading.numbers.rungs[0]?.measured ?? ""} data={data} />;
}
