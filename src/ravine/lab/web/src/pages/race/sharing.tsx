import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { later } from "../../app/later.tsx";
import { Code } from "../../controls/code.tsx";
import { Select } from "../../controls/fields.tsx";
import { Problem } from "../../controls/problem.tsx";
import { ApiError, get, post } from "../../net/api.ts";
import type { Code as Texts, Saved } from "../../protocol.ts";
import { hello, lanes, sessionPath, status } from "./store.ts";

/** Command, Python and PyTorch of this run; asked for when opened. */
export function RunCode() {
  return <Opened summary="Code of this run: command, Python, PyTorch">{() => <Shown key={hello.value?.revision} />}</Opened>;
}

/** Made when it is opened. */
function Opened({ summary, children }: { summary: string; children: () => ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {isOpen && children()}
    </details>
  );
}

function Shown() {
  const [texts, setTexts] = useState<Texts | null>(null);
  const [said, setSaid] = useState("");
  const [name, setName] = useState("");
  useEffect(() => {
    get<Texts>(sessionPath("code")).then(setTexts, (error: ApiError) => setSaid(error.message));
  }, []);
  if (!texts) return <Problem text={said} />;
  const names = Object.keys(texts.scripts);
  const shown = names.includes(name) ? name : (names[0] ?? "");
  return (
    <>
      {texts.note && <p class="quiet">{texts.note}</p>}
      {texts.command && <Code title="The same race, from the command line" text={texts.command} />}
      {texts.python && <Code title="The same race, in Python" text={texts.python} />}
      {shown && (
        <>
          <Select label="PyTorch code of" value={shown} options={names.map((one) => ({ value: one, label: one }))} onChange={setName} />
          <Code title={`${shown}, plain PyTorch`} text={texts.scripts[shown] ?? ""} />
        </>
      )}
    </>
  );
}

/** Keep the race as a record that every other command opens. */
export function Keep() {
  const [file, setFile] = useState("race.ravine");
  const [said, setSaid] = useState("");
  const [error, setError] = useState("");
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      const { file: kept } = await post<Saved>(sessionPath("save"), { name: file });
      setSaid(`Kept as ${kept}: ravine show ${kept} prints it.`);
      setError("");
    } catch (refused) {
      setSaid("");
      setError(refused instanceof ApiError ? refused.message : String(refused));
    }
  };
  return (
    <details>
      <summary>Keep this race as a record</summary>
      <form class="row" onSubmit={save}>
        <label for="file">File in the folder of the lab</label>
        <input id="file" type="text" value={file} onInput={(event) => setFile(event.currentTarget.value)} />
        <button type="submit" disabled={status.value.step === 0}>
          Keep
        </button>
      </form>
      <p role="status">{said}</p>
      <Problem text={error} />
    </details>
  );
}

const LinkChoices = later<{ session: string }>("LinkChoices");

/** The race as a link: for teaching, and for another tab. */
export function Links() {
  return <Opened summary="Links: teach with this race, watch it in another tab">{() => <LinkChoices session={hello.value?.session ?? ""} />}</Opened>;
}

const Written = later<{ names: readonly string[] }>("Equations");

/** What every optimiser of the race does in a step. */
export function Equations() {
  return <Opened summary="Equations of these optimisers">{() => <Written names={lanes.value.map((lane) => lane.optimizer)} />}</Opened>;
}
