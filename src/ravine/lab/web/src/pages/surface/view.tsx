import { useEffect, useRef } from "preact/hooks";
import { colorsChanged } from "../../app/theme.ts";
import { Swatch } from "../../controls/swatch.tsx";
import { Map2D, type MapData } from "./map.ts";

interface Props {
  data: MapData;
  step: number;
  lit?: string | null;
  label: string;
  /** Called with a place of the plane that was clicked, or reached by the arrow keys from `start`. */
  onPick?: (place: [number, number]) => void;
  start?: readonly [number, number];
}

const KEYS: Record<string, readonly [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const KEY_STEPS = 50;

/** A map and ways over it, painted outside the framework. */
export function MapView({ data, step, lit = null, label, onPick, start }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useRef<Map2D | null>(null);
  const colors = colorsChanged.value;
  useEffect(() => {
    map.current ??= new Map2D(canvas.current as HTMLCanvasElement);
    const draw = () => map.current?.draw(data, step, lit);
    draw();
    const watch = new ResizeObserver(draw);
    watch.observe(canvas.current as HTMLCanvasElement);
    return () => watch.disconnect();
  }, [data, step, lit, colors]);
  const move = (event: KeyboardEvent) => {
    const by = KEYS[event.key];
    if (!by || !start) return;
    event.preventDefault();
    const [across, up] = data.domain;
    const far = (event.shiftKey ? 5 : 1) / KEY_STEPS;
    onPick?.([start[0] + by[0] * far * (across[1] - across[0]), start[1] + by[1] * far * (up[1] - up[0])]);
  };
  return (
    <>
      <canvas
        ref={canvas}
        class="relief"
        tabIndex={onPick ? 0 : undefined}
        role={onPick ? "application" : "img"}
        aria-roledescription="map"
        aria-label={label}
        onClick={(event) => onPick?.((map.current as Map2D).placeAt(data, event.offsetX, event.offsetY))}
        onKeyDown={onPick && move}
      />
      <p class="relief-key">
        {data.ways.map((way) => (
          <span key={way.label}>
            <Swatch style={way.style} /> {way.label}
          </span>
        ))}
      </p>
    </>
  );
}
