import type { ComponentChildren } from "preact";
import { route } from "../../app/route.ts";
import { Code } from "../../controls/code.tsx";
import { Part } from "../../controls/fields.tsx";
import { Problem } from "../../controls/problem.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import type { LineStyle } from "../../chart/types.ts";
import { useAnswer } from "./answer.ts";
import { type Field, Fields } from "./fields.tsx";

/** What the server answers for a figure: numbers as the command prints them, what is drawn besides, and both as text to copy. */
export interface Figure<Numbers, Drawn = object> {
  numbers: Numbers;
  drawn: Drawn;
  commands: string[];
  python: string;
}

interface Props<Found> {
  name: string;
  title: string;
  /** The one idea. */
  lead: string;
  fields: readonly Field[];
  /** Controls above the fields. */
  first?: ComponentChildren;
  children(found: Found): ComponentChildren;
}

/** A page of one figure: its idea, its settings beside it, and the figure; the address holds the settings. */
export function FigurePage<Found extends Figure<unknown>>({ name, title, lead, fields, first, children }: Props<Found>) {
  const { hide: _, ...query } = route.value.query;
  const asked = useAnswer<Found>(`/api/figures/${name}?${new URLSearchParams(query)}`);
  return (
    <article class="figure-page">
      <div class="figure-head">
        <h1>{title}</h1>
        <p class="lead">{lead}</p>
      </div>
      <SettingsPanel>
        {first}
        <Fields fields={fields} />
      </SettingsPanel>
      <section class="figure-body" aria-label="Figure" aria-busy={asked.isBusy}>
        <Problem text={asked.problem} again={asked.again} />
        {asked.found ? children(asked.found) : !asked.problem && <p class="quiet">Computing … The first figure starts a process of its own, which takes some seconds.</p>}
        {asked.found && <Texts commands={asked.found.commands} python={asked.found.python} />}
      </section>
    </article>
  );
}

/** Settings beside what they change; on a narrow screen they are folded, so that the figure comes first. */
export function SettingsPanel({ children }: { children: ComponentChildren }) {
  return (
    <details class="panel figure-settings" open={matchMedia("(min-width: 56rem)").matches}>
      <summary>Settings</summary>
      {children}
    </details>
  );
}

/** The command and the Python that give the same numbers. */
export function Texts({ commands, python }: { commands: readonly string[]; python: string }) {
  return (
    <Part name="code">
      <details>
        <summary>The same from the command line or Python</summary>
        <Code title="Command" text={commands.join("\n")} />
        {python && <Code title="Python" text={python} />}
      </details>
    </Part>
  );
}

/** Which line is which, with a value where one is said of each; `isSpare` where a wide chart names its lines itself. */
export function Key({ lead, lines, isSpare = false }: { lead?: string; lines: readonly { label: string; style: LineStyle; said?: string }[]; isSpare?: boolean }) {
  return (
    <p class={`line-key${isSpare ? " narrow-only" : ""}`}>
      {lead}
      {lines.map((line, place) => (
        <span key={place}>
          <Swatch style={line.style} /> {line.label} <b>{line.said}</b>
        </span>
      ))}
    </p>
  );
}

/** A table with its first column as heads of the rows. */
export function Table({ caption, heads, rows }: { caption: string; heads: readonly string[]; rows: readonly ComponentChildren[][] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption>
          <span>{caption}</span>
        </caption>
        <thead>
          <tr>
            {heads.map((head, place) => (
              <th key={head} scope="col" class={place ? "number" : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={place}>
              <th scope="row">{row[0]}</th>
              {row.slice(1).map((cell, column) => (
                <td key={column} class="number">
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
