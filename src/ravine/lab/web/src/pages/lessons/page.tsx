import { useEffect, useState } from "preact/hooks";
import { announce } from "../../app/announce.ts";
import { loadCatalogue } from "../../app/catalogue.ts";
import { route } from "../../app/route.ts";
import { Choices, Part } from "../../controls/fields.tsx";
import { Problem } from "../../controls/problem.tsx";
import { number } from "../../pure/format.ts";
import { formatRoute } from "../../pure/route.ts";
import { useAnswer } from "../figure/answer.ts";
import { Texts } from "../figure/figure.tsx";
import { useJob } from "../figure/job.ts";
import { type Panel, PanelView } from "./panel.tsx";

interface Judged {
  says: string;
  measures: string;
  above: number | null;
  below: number | null;
  estimate: number | null;
  low: number | null;
  high: number | null;
  holds: boolean | null;
}
interface Result {
  numbers: { parts: Judged[]; verdict: string; sentence: string; notes: string[]; setup: string };
  picture: { caption: string; panels: Panel[] };
}
interface Lesson {
  name: string;
  claim: string;
  question: string;
  source: string;
  setup: string;
  explanation: string;
  statements: { says: string; elsewhere: boolean }[];
  presets: { page: string; query: Record<string, string> }[];
  verdict?: string | null;
}
type Whole = Lesson & { result: Result | null; commands: string[] };

/** Textbook claims as experiments: predict, then let the run speak. */
export function Lessons() {
  const name = route.value.rest[0];
  return name ? <One key={name} name={name} /> : <Index />;
}

function Index() {
  const asked = useAnswer<Lesson[]>("/api/lessons", false);
  return (
    <article class="prose">
      <h1>Lessons</h1>
      <p class="lead">Claims of textbooks and papers as experiments. What decides each stands before its run; a refuted claim is a good result.</p>
      <Problem text={asked.problem} again={asked.again} />
      {asked.isBusy && !asked.found && <p class="quiet">Loading …</p>}
      <ol>
        {asked.found?.map((lesson) => (
          <li key={lesson.name}>
            <a href={formatRoute("lessons", [lesson.name])}>{lesson.question}</a>
            <p class="quiet">
              {lesson.claim} {lesson.verdict && <b>Last run: {lesson.verdict}.</b>}
            </p>
          </li>
        ))}
      </ol>
    </article>
  );
}

const GUESSES = [
  { value: "", label: "no guess" },
  { value: "holds", label: "holds" },
  { value: "fails", label: "does not" },
];

function One({ name }: { name: string }) {
  useEffect(() => void loadCatalogue().catch(() => {}), []);
  const asked = useAnswer<Whole>(`/api/lessons/${name}`, false);
  const job = useJob<Result>();
  const [guesses, setGuesses] = useState<Record<number, string>>({});
  const [isShown, setShown] = useState(false);
  const lesson = asked.found;
  const result = job.result ?? (isShown ? lesson?.result : null);
  useEffect(() => {
    if (job.result) announce(job.result.numbers.sentence);
  }, [job.result]);
  const reveal = () => (lesson?.result ? setShown(true) : void job.start(`/api/lessons/${name}/run`, {}));
  if (!lesson) return <Problem text={asked.problem} again={asked.again} />;
  return (
    <article class={result ? "lesson" : "prose"}>
      <div>
        <p>
          <a href="#/lessons">All lessons</a>
        </p>
        <h1>{lesson.question}</h1>
        <p class="lead">{lesson.claim}</p>
        <p class="quiet">
          Source: {lesson.source}. Set-up: {lesson.setup}.
        </p>
        {lesson.presets.length > 0 && (
          <p>
            Play with it:{" "}
            {lesson.presets.map((preset) => (
              <a key={JSON.stringify(preset)} class="preset" href={formatRoute(preset.page, [], preset.query)}>
                {played(preset)}
              </a>
            ))}
          </p>
        )}
        <h2>{result ? "What the run says" : "What will the run say?"}</h2>
        {lesson.statements.map((statement, place) =>
          result ? (
            <Outcome key={place} part={result.numbers.parts[place] as Judged} guess={guesses[place] ?? ""} />
          ) : (
            <Part key={place} name="guess">
              <Choices
                label={`${statement.says}${statement.elsewhere ? " (beyond the stated settings)" : ""}`}
                value={guesses[place] ?? ""}
                options={GUESSES}
                onChange={(value) => setGuesses({ ...guesses, [place]: value })}
              />
            </Part>
          ),
        )}
        <Problem text={job.problem} />
        {!result &&
          (job.doing === null ? (
            <button type="button" class="main" onClick={reveal}>
              {lesson.result ? "Show the last run" : "Run the experiment"}
            </button>
          ) : (
            <p>
              Running in a process of its own: {job.doing} …{" "}
              <button type="button" onClick={job.stop}>
                Stop
              </button>
            </p>
          ))}
        {result && (
          <>
            <p class="lead">{result.numbers.sentence}</p>
            {result.numbers.notes.map((note) => (
              <p key={note}>{note}</p>
            ))}
            <p>{lesson.explanation}</p>
            <p class="quiet">This is the quick form; the command without --quick settles more.</p>
          </>
        )}
        <Texts commands={lesson.commands} python="" />
      </div>
      {result && (
        <div>
          <p class="quiet">{result.picture.caption}</p>
          {result.picture.panels.map((panel, place) => (
            <PanelView key={place} panel={panel} />
          ))}
        </div>
      )}
    </article>
  );
}

/** What a link to a page set as the lesson sets it says. */
function played({ page, query }: Lesson["presets"][number]): string {
  const parts = [query.name ?? query.t ?? "", query.b ? `batches of ${query.b}` : "", query.bits ? `${query.bits}-bit state` : ""].filter(Boolean);
  return `${page}${parts.length ? `: ${parts.join(", ")}` : ""}`;
}

function Outcome({ part, guess }: { part: Judged; guess: string }) {
  const outcome = part.holds === null ? "cannot be told" : part.holds ? "holds" : "fails";
  const range = [part.above === null ? "" : `above ${number(part.above)}`, part.below === null ? "" : `below ${number(part.below)}`];
  const ends = part.low === null || part.low === part.high ? "" : ` [${number(part.low)}, ${number(part.high)}]`;
  return (
    <p>
      <b>{outcome === "fails" ? "does not hold" : outcome}</b>
      {guess && part.holds !== null && (guess === outcome ? ", as you guessed" : ", unlike your guess")}: {part.says}
      <br />
      <span class="quiet">
        {part.measures}: {number(part.estimate, 4)}
        {ends}, must be {range.filter(Boolean).join(" and ")}
      </span>
    </p>
  );
}
