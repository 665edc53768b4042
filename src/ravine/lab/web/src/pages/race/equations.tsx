import { catalogue } from "../../app/catalogue.ts";
import { Code } from "../../controls/code.tsx";
import { said } from "./equation_words.ts";

/** What the optimisers of the race do in a step, in the symbols of their documentation, and at which values. */
export function Equations({ names }: { names: readonly string[] }) {
  const found = (catalogue.value?.optimizers ?? []).filter((one) => names.includes(one.name));
  return (
    <>
      <p class="quiet">
        p are the weights, g their gradient, lr the rate and t the step, counted from 1; the other letters are state, and an arrow puts a new value in the place of the old one.
      </p>
      {said(found).map(({ title, source, text }) => (
        <div key={title}>
          <Code title={title} text={text} />
          <p class="quiet note">{source}.</p>
        </div>
      ))}
    </>
  );
}
