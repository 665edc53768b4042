import { OUTLINES } from "../chart/glyph.ts";
import type { LineStyle } from "../chart/types.ts";

/** A line's look beside its name: colour, dash and marker, so that none of them is needed alone. */
export function Swatch({ style }: { style: LineStyle }) {
  const dash = style.dash.map((length) => length * 2).join(" ");
  return (
    <svg class="swatch" viewBox="0 0 30 12" aria-hidden="true" style={{ "--line": `light-dark(${style.colour.light}, ${style.colour.dark})` }}>
      <path d="M0 6H30" stroke-dasharray={dash || undefined} />
      <path class="mark" d={OUTLINES[style.marker]} transform="translate(15 6) scale(4.2)" />
    </svg>
  );
}
