import { OUTLINES } from "../../chart/glyph.ts";
import { number, rate } from "../../pure/format.ts";
import { type Figure, FigurePage, Table } from "../figure/figure.tsx";
import { type Field, spoken } from "../figure/fields.tsx";

interface Cast {
  format: string;
  largest: number;
  smallest_normal: number;
  smallest: number;
  scale: number;
  kept: (number | null)[];
  fates: string[];
}
type Found = Figure<{ gradients: number[]; casts: Cast[] }>;

const FORMATS = ["fp16", "bf16", "fp8_e4m3", "fp8_e5m2"];
const FIELDS: Field[] = [
  { key: "gradients", label: "Gradients", kind: "text", usual: "1e-3,2e-5,5e-7,4e-8,9e-9", hint: "Commas between them." },
  { key: "scales", label: "Scales on the loss", kind: "text", usual: "1,32768", hint: "1 is none; 32768 is 2¹⁵." },
  { key: "formats", label: "Formats", kind: "many", usual: FORMATS.join(), options: FORMATS },
];
const MARKS = { survives: "o", coarse: "D", vanishes: "x", overflows: "^" } as const;

/** Gradients in narrow numbers. */
export function Precision() {
  return (
    <FigurePage<Found>
      name="precision"
      title="Precision"
      lead="A bar is what a format can hold. Notice that scaling the loss moves the bar under the gradients that would vanish, and that bf16 needs no scale."
      fields={FIELDS}
    >
      {({ numbers: { gradients, casts } }) => (
        <>
          <div>
            {casts.map((cast) => (
              <Row key={name(cast)} cast={cast} gradients={gradients} />
            ))}
            <Scale gradients={gradients} />
          </div>
          <p class="quiet">
            {Object.entries(MARKS).map(([fate, mark]) => (
              <span key={fate} class="fate">
                <svg viewBox="-1.5 -1.5 3 3" aria-hidden="true">
                  <path d={OUTLINES[mark]} />
                </svg>{" "}
                {WORDS[fate]}
              </span>
            ))}
            <span class="fate">pale: below the normal numbers, where digits are lost</span>
          </p>
          <Table
            caption="What is left of each gradient after the cast and the division by the scale"
            heads={["format and scale", ...gradients.map((g) => rate(g))]}
            rows={casts.map((cast) => [
              name(cast),
              ...cast.fates.map((fate, place) => (fate === "survives" ? number(cast.kept[place]) : fate === "coarse" ? `${number(cast.kept[place])} (coarse)` : fate)),
            ])}
          />
        </>
      )}
    </FigurePage>
  );
}

const WORDS: Record<string, string> = { survives: "survives", coarse: "coarse: keeps fewer digits", vanishes: "vanishes: becomes 0", overflows: "overflows" };

function name(cast: Cast): string {
  return `${spoken(cast.format)}${cast.scale === 1 ? "" : ` × ${rate(cast.scale, 6)}`}`;
}

/** Powers of ten at the ends of the bars. */
function endsOf(gradients: number[]): [number, number] {
  return [Math.min(-10, Math.floor(Math.log10(Math.min(...gradients))) - 1), Math.max(2, Math.ceil(Math.log10(Math.max(...gradients))) + 1)];
}

function Row({ cast, gradients }: { cast: Cast; gradients: number[] }) {
  const [low, high] = endsOf(gradients);
  const at = (value: number) => Math.min(100, Math.max(0, (100 * (Math.log10(value / cast.scale) - low)) / (high - low)));
  const [least, normal, most] = [at(cast.smallest), at(cast.smallest_normal), at(cast.largest)];
  const kept = cast.fates.filter((fate) => fate === "survives" || fate === "coarse").length;
  return (
    <div class="holds" role="img" aria-label={`${name(cast)} keeps ${kept} of ${gradients.length}`}>
      <span>{name(cast)}</span>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none">
        <rect class="held coarse" x={least} width={normal - least} height="6" />
        <rect class="held" x={normal} width={Math.max(0, most - normal)} height="6" />
      </svg>
      {gradients.map((g, place) => (
        <svg key={place} class="gradient" viewBox="-1.5 -1.5 3 3" style={{ "--at": at(g * cast.scale) / 100 }}>
          <path d={OUTLINES[MARKS[cast.fates[place] as keyof typeof MARKS]]} />
        </svg>
      ))}
    </div>
  );
}

function Scale({ gradients }: { gradients: number[] }) {
  const [low, high] = endsOf(gradients);
  const every = Math.ceil((high - low) / 6);
  const powers = Array.from({ length: Math.floor((high - low) / every) + 1 }, (_, turn) => low + turn * every);
  return (
    <div class="holds scale" aria-hidden="true">
      <span>gradient</span>
      {powers.map((power) => (
        <small key={power} style={{ "--at": (power - low) / (high - low) }}>
          10<sup>{power < 0 ? `−${-power}` : power}</sup>
        </small>
      ))}
    </div>
  );
}
