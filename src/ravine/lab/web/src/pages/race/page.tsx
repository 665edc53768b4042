import { useEffect } from "preact/hooks";
import { styleOf } from "../../app/catalogue.ts";
import { later } from "../../app/later.tsx";
import { Chart } from "../../chart/chart.tsx";
import { Part, Select, Slider, Switch } from "../../controls/fields.tsx";
import { Problem } from "../../controls/problem.tsx";
import { betaOf } from "../../pure/smoothing.ts";
import { Bar } from "./bar.tsx";
import { Entrants } from "./entrants.tsx";
import type { OneStepProps } from "./one_step.tsx";
import { Broken, Guess } from "./outcome.tsx";
import "./page.css";
import { badge, chart, isLogX, keepView, metric, metrics, scene, smoothing } from "./scene.ts";
import { Setup, TaskChoice } from "./setup.tsx";
import { Equations, Keep, Links, RunCode } from "./sharing.tsx";
import { Inside, Ranking } from "./standings.tsx";
import { begin, hello, landmarks, lanes, leave, lit, look, problem, setting, status, stepped, viewed } from "./store.ts";
import { Tiles } from "./tiles.tsx";
import { caption, sentence, summary } from "./words.ts";

const OneStep = later<OneStepProps>("OneStep");

/** Identical networks trained side by side: press Play. */
export function Race() {
  useEffect(() => {
    void begin();
    return leave;
  }, []);
  if (!setting.value)
    return (
      <>
        <h1>Race</h1>
        {problem.value ? <Problem text={problem.value} again={() => void begin()} /> : <p role="status">Asking the lab's server.</p>}
      </>
    );
  return (
    <article class="race">
      <header class="race-head">
        <h1 class="unseen">Race</h1>
        <p class="caption">{caption(scene.value)}</p>
        <Badge />
      </header>
      <Bar />
      <Problem text={problem.value} />
      <div class="race-body">
        <aside class="setup" aria-label="Set up">
          <TaskChoice />
          <Entrants />
          <Setup />
        </aside>
        <div class="stage">
          <Guess />
          <Part name="inside">
            <Stepped />
          </Part>
          <Losses />
          <Broken />
          <Part name="tiles">
            <Tiles />
          </Part>
          <div class="tables">
            <Part name="ranking">
              <Ranking />
            </Part>
            <Part name="inside">
              <Inside />
            </Part>
          </div>
          <Protocol />
        </div>
      </div>
    </article>
  );
}

function Badge() {
  const found = badge.value;
  if (!found) return null;
  return (
    <p class={`badge${found.isGood ? "" : " wrong"}`} title={found.detail}>
      <span aria-hidden="true">{found.isGood ? "✓" : "!"}</span> {found.text}
    </p>
  );
}

/** The step just taken alone, part by part, until the race plays or the reader looks back. */
function Stepped() {
  if (!stepped.value || viewed.value !== null || status.value.running) return null;
  const { before, after } = stepped.value;
  const named = lanes.value.map(({ optimizer }) => ({ name: optimizer, style: styleOf(optimizer) }));
  return <OneStep step={after.step} lanes={named} inside={after.inspector} before={before?.inspector} />;
}

function Losses() {
  return (
    <section aria-label="Losses">
      <Chart title="Loss at every step" summary={summary(scene.value)} data={chart} height={310} onPick={(x) => look(Math.max(1, Math.round(x)))} />
      <Part name="smoothing">
        <div class="chart-settings">
          <Select
            label="Curve"
            value={metric.value}
            options={metrics.value}
            onChange={(value) => {
              metric.value = value;
              keepView();
            }}
          />
          <Slider
            label="Smoothing"
            value={smoothing.value}
            low={0}
            high={100}
            isWhole
            shown={(value) => (value ? `${Math.round(1 / (1 - betaOf(value)))} steps` : "off")}
            onChange={(value) => {
              smoothing.value = value;
              keepView();
            }}
          />
          <Switch
            label="Logarithmic steps"
            isOn={isLogX.value}
            onChange={(isOn) => {
              isLogX.value = isOn;
              keepView();
            }}
          />
        </div>
      </Part>
    </section>
  );
}

/** How the numbers came about, and the ways out of the page. */
function Protocol() {
  const words = sentence(hello.value?.protocol ?? "");
  return (
    <footer class="protocol">
      <p>
        <b>Protocol.</b> {words || "It stands here once the race is ready."} {landmarks.value && setting.value?.lrs === "tuned" ? sentence(landmarks.value.protocol) : ""}
      </p>
      {lit.value && (
        <p class="quiet">
          {lit.value} stands out; press it again in the ranking to see all alike.
        </p>
      )}
      <Part name="inside">
        <Equations />
      </Part>
      <Part name="code">
        <RunCode />
        <Keep />
      </Part>
      <Part name="links">
        <Links />
      </Part>
    </footer>
  );
}
