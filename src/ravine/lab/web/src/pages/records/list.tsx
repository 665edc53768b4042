import { useEffect, useState } from "preact/hooks";
import { Problem } from "../../controls/problem.tsx";
import { get } from "../../net/api.ts";
import { counted, whole } from "../../pure/format.ts";
import { formatRoute } from "../../pure/route.ts";
import type { RecordEntry, RecordList } from "./types.ts";

/** What can be opened: records of the command line and of the folder. */
export function List() {
  const [found, setFound] = useState<RecordList | null>(null);
  const [problem, setProblem] = useState("");
  const load = () =>
    void get<RecordList>("/api/records").then(
      (list) => {
        setFound(list);
        setProblem("");
      },
      (error: Error) => setProblem(error.message),
    );
  useEffect(load, []);
  return (
    <>
      <h1>Records</h1>
      <p class="lead prose">A race leaves one file. Open one to see who won and why; one that is being written is followed live.</p>
      <Problem text={problem} again={load} />
      {!found && !problem && <p class="quiet">Reading the folder …</p>}
      {found && found.records.length === 0 && (
        <p>
          There is no record in the folder “{found.folder}”. Make one with <code>ravine race digits</code>, then{" "}
          <button type="button" class="small" onClick={load}>
            look again
          </button>
        </p>
      )}
      {found && found.records.length > 0 && (
        <div class="scroll" role="region" aria-label="Records" tabIndex={0}>
          <table class="records">
            <caption>
              Given on the command line, then those of the folder “{found.folder}”, the latest first
              {found.left_out > 0 && `; ${whole(found.left_out)} older ones are left out`}.{" "}
              <button type="button" class="small" onClick={load}>
                Look again
              </button>
            </caption>
            <thead>
              <tr>
                {["record", "task", "recommended", "lanes", "changed"].map((title) => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {found.records.map((entry) => (
                <Row key={entry.id} entry={entry} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Row({ entry }: { entry: RecordEntry }) {
  const changed = new Date(1000 * entry.changed).toLocaleString();
  if (entry.error)
    return (
      <tr>
        <th scope="row">{entry.file}</th>
        <td colSpan={3} class="quiet">
          cannot be opened: {entry.error}
        </td>
        <td class="quiet">{changed}</td>
      </tr>
    );
  const counts = entry.lanes ?? {};
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const status = entry.status === "running" ? "being written, or killed" : entry.status === "done" ? "" : entry.status;
  return (
    <tr>
      <th scope="row">
        <a href={formatRoute("records", [entry.id])}>{entry.file}</a>
        {status && <span class="state">{status}</span>}
      </th>
      <td>{entry.kind === "watch" ? `${entry.task}, watched` : entry.task}</td>
      <td>{entry.optimizer ?? "–"}</td>
      <td>
        {counted(all, "lane")}
        {counts.diverged ? `, ${whole(counts.diverged)} diverged` : ""}
      </td>
      <td class="quiet">{changed}</td>
    </tr>
  );
}
