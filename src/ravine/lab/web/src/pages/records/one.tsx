import { useEffect, useMemo, useState } from "preact/hooks";
import { announce } from "../../app/announce.ts";
import { Code } from "../../controls/code.tsx";
import { Problem } from "../../controls/problem.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import { isReplay } from "../../net/api.ts";
import { follow } from "../../net/stream.ts";
import { whole } from "../../pure/format.ts";
import { Losses } from "./losses.tsx";
import { RateChart } from "./rates.tsx";
import { Scrubbed } from "./scrubbed.tsx";
import type { Source } from "./source.ts";
import { Cells, Facts, Sheet } from "./tables.tsx";
import type { RecordView } from "./types.ts";

const AT_MOST_MS = 1000;

/** One record, live while another process writes it. */
export function One({ source, id }: { source: Source; id: string }) {
  const [view, setView] = useState<RecordView | null>(null);
  const [problem, setProblem] = useState("");
  const load = useMemo(() => seldom(() => source.view().then(setView, (error: Error) => setProblem(error.message))), [source]);
  const [turn, setTurn] = useState(0);
  const again = () => {
    setProblem("");
    setTurn(turn + 1);
    load();
  };
  useEffect(() => {
    if (isReplay) return load();
    const end = follow(`/api/records/${id}/events`, {
      changed: () => load(),
      gone: ({ error }: { error: string }) => {
        // The server ends the stream now, which is no silence of its.
        end();
        setProblem(error);
        announce(error);
      },
    });
    return end;
  }, [source, turn]);
  return (
    <div class="record">
      {!isReplay && (
        <p>
          <a href="#/records">All records</a>
        </p>
      )}
      <Problem text={problem} {...(isReplay ? {} : { again })} />
      {!view && !problem && <p class="quiet">Reading the record …</p>}
      {view && <Whole view={view} source={source} />}
    </div>
  );
}

/** Calls in quick succession as one, at most once a second, the last never lost. */
function seldom(act: () => Promise<void>): () => void {
  let isBusy = false;
  let isWanted = false;
  const run = () => {
    if (isBusy) {
      isWanted = true;
      return;
    }
    isBusy = true;
    void act().then(() =>
      setTimeout(
        () => {
          isBusy = false;
          if (isWanted) {
            isWanted = false;
            run();
          }
        },
        AT_MOST_MS,
      ),
    );
  };
  return run;
}

function Whole({ view, source }: { view: RecordView; source: Source }) {
  const { tables } = view;
  return (
    <>
      {view.banner && (
        <p class="notice" role="status">
          {view.banner}
        </p>
      )}
      <h1>{view.name}</h1>
      <p class="quiet">
        {view.subtitle}
        {view.status === "running" && ` · the longest lane is at step ${whole(Math.max(0, ...view.lanes.losses))} of ${whole(view.steps)}`}
      </p>
      <p class="lead verdict prose">{view.verdict}</p>
      {view.ranking.rows.length > 0 && (
        <section aria-label="Ranking">
          <Cells table={view.ranking} swatch={(row) => <Swatch style={(view.entrants[row] as RecordView["entrants"][number]).style} />} />
          <p class="quiet prose">{view.explanations.join(" ")}</p>
        </section>
      )}
      {view.notes.map((note) => (
        <p key={note} class="prose">
          {note}
        </p>
      ))}
      {view.measures.length > 0 && <Scrubbed view={view} source={source} />}
      <Losses view={view} source={source} />
      {view.rates && <RateChart view={view} rates={view.rates} />}
      {tables.diverged && (
        <section>
          <h2>Diverged lanes</h2>
          <Cells table={tables.diverged} />
          {tables.causes && <Cells table={tables.causes} />}
        </section>
      )}
      {tables.findings && <Cells table={tables.findings} />}
      {tables.rungs && <Cells table={tables.rungs} />}
      <Recipe view={view} source={source} />
      <section>
        <h2>Protocol</h2>
        <ul class="prose">
          {view.protocol.map((rule) => (
            <li key={rule}>{rule}</li>
          ))}
        </ul>
        {view.facts.map(([caption, rows]) => (
          <Facts key={caption} caption={caption} rows={rows} />
        ))}
        {["settings", "seeds", "pairs", "culled", "search", "engine"].map((name) => (
          <Sheet key={name} table={tables[name]} />
        ))}
      </section>
    </>
  );
}

function Recipe({ view, source }: { view: RecordView; source: Source }) {
  const [found, setFound] = useState({ text: view.recipe, note: view.recipe_note });
  const [said, setSaid] = useState("");
  useEffect(() => setFound({ text: view.recipe, note: view.recipe_note }), [view.recipe]);
  if (!found.text) return null;
  const ask = () => {
    setSaid("Writing the script …");
    source.script()?.then(
      (script) => {
        if (script.text) setFound(script);
        setSaid(script.text ? "" : "The task stands in a file of its own: ravine recipe FILE.ravine writes its script.");
      },
      (error: Error) => setSaid(error.message),
    );
  };
  return (
    <section>
      <h2>Recipe</h2>
      <p class="quiet">{found.note}</p>
      <Code title="Recipe" text={found.text} />
      {!isReplay && found.text === view.recipe && (
        <button type="button" onClick={ask}>
          Show the whole script
        </button>
      )}
      <p class="hint" role="status">
        {said}
      </p>
    </section>
  );
}
