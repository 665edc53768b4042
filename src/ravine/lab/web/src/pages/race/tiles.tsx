import { computed, effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { styleOf } from "../../app/catalogue.ts";
import { colorsChanged, theme } from "../../app/theme.ts";
import { Swatch } from "../../controls/swatch.tsx";
import { floats } from "../../pure/base64.ts";
import { number } from "../../pure/format.ts";
import type { LaneInfo } from "../../protocol.ts";
import { drawTile } from "./draw_tile.ts";
import { scene } from "./scene.ts";
import { hello, lanes, lit, snapshot } from "./store.ts";

const grid = computed(() => floats(hello.value?.grid ?? ""));
const target = computed(() => floats(hello.value?.target ?? ""));
const points = computed(() => {
  const data = hello.value?.data;
  return data ? { x: floats(data.x), y: floats(data.y) } : null;
});
const predictions = computed(() => (snapshot.value?.predictions ? floats(snapshot.value.predictions) : null));

/** What every network says over the whole range, one tile a lane on the same axes; a click enlarges one. */
export function Tiles() {
  if (!grid.value.length) return null;
  return (
    <section aria-label="Predictions">
      <h2>
        Predictions <span class="quiet">after step {snapshot.value?.step ?? 0}; the broad line is the target</span>
      </h2>
      <div class="tiles">
        {lanes.value.map((lane) => (
          <Tile key={lane.optimizer} lane={lane} />
        ))}
      </div>
    </section>
  );
}

function Tile({ lane }: { lane: LaneInfo }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const style = styleOf(lane.optimizer);
  useEffect(() => {
    const draw = () => {
      colorsChanged.value;
      const width = grid.value.length;
      const own = predictions.value?.subarray(lane.lane * width, (lane.lane + 1) * width) ?? null;
      const data = { grid: grid.value, target: target.value, points: points.value, prediction: own, stroke: style.colour[theme.value], dash: style.dash };
      if (canvas.current) drawTile(canvas.current, data);
    };
    const stop = effect(draw);
    const watch = new ResizeObserver(draw);
    watch.observe(canvas.current as HTMLCanvasElement);
    return () => {
      stop();
      watch.disconnect();
    };
  }, [lane.lane, style]);
  const place = scene.value.places.find((one) => one.lane.lane === lane.lane);
  const isLit = lit.value === lane.optimizer;
  const said = place?.diverged != null ? `diverged at step ${place.diverged}` : `loss ${number(place?.loss)}`;
  return (
    <button
      type="button"
      class={`tile${isLit ? " lit" : ""}${place?.diverged != null ? " broken" : ""}`}
      aria-pressed={isLit}
      onClick={() => (lit.value = isLit ? null : lane.optimizer)}
    >
      <span class="tile-head">
        <Swatch style={style} /> <b>{lane.optimizer}</b>
      </span>
      <canvas ref={canvas} aria-hidden="true" />
      <span class="tile-said">{said}</span>
    </button>
  );
}
