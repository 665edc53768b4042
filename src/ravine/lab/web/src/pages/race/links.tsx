import { useState } from "preact/hooks";
import { route } from "../../app/route.ts";
import { Code } from "../../controls/code.tsx";
import { Switch } from "../../controls/fields.tsx";
import { token } from "../../net/api.ts";
import { formatRoute } from "../../pure/route.ts";

const PARTS: readonly (readonly [string, string])[] = [
  ["task", "task"],
  ["width", "width"],
  ["seed", "seed"],
  ["steps", "steps"],
  ["batch", "batch size"],
  ["schedule", "schedule"],
  ["stop", "stop rules"],
  ["optimizers", "optimisers"],
  ["rates", "rates"],
  ["speed", "speed"],
  ["smoothing", "smoothing"],
  ["guess", "the guess"],
  ["target", "target"],
  ["tiles", "predictions"],
  ["ranking", "ranking"],
  ["inside", "inspector"],
  ["code", "code"],
  ["links", "these links"],
];

/** The race as a link; a teacher leaves out what should not distract. */
export function LinkChoices({ session }: { session: string }) {
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const base = `${location.origin}${location.pathname}`;
  const { join: _, hide: __, ...query } = route.value.query;
  const hash = formatRoute("race", [], { ...query, hide: [...left].join(",") });
  const turn = (name: string, isOn: boolean) => {
    const next = new Set(left);
    if (isOn) next.delete(name);
    else next.add(name);
    setLeft(next);
  };
  return (
    <>
      <fieldset class="field parts">
        <legend>Controls that the link shows</legend>
        {PARTS.map(([name, label]) => (
          <Switch key={name} label={label} isOn={!left.has(name)} onChange={(isOn) => turn(name, isOn)} />
        ))}
      </fieldset>
      <Code title="Behind the address of anybody's lab" text={hash} />
      <p>
        <a href={`${base}${hash}`} target="_blank" rel="opener">
          Open that link
        </a>{" "}
        ·{" "}
        <a href={`${base}#token=${token}&/race?join=${session}`} target="_blank" rel="noopener">
          Watch this race in another tab
        </a>
      </p>
    </>
  );
}
