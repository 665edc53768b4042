import { floats } from "../../pure/base64.ts";
import type { Diverged, Evaluation, Frame } from "../../protocol.ts";

/** Everything that a race has measured so far: every step's loss of every lane, never thinned. Arrays only grow. */
export class History {
  /** Steps taken before each loss was measured. */
  readonly steps: number[] = [];
  readonly losses: number[][];
  readonly evaluatedAt: number[] = [];
  /** By metric, then by lane. */
  readonly evaluations = new Map<string, (number | null)[][]>();
  readonly diverged: (Diverged | undefined)[];

  constructor(readonly lanes: number) {
    this.losses = Array.from({ length: lanes }, () => []);
    this.diverged = new Array<Diverged | undefined>(lanes).fill(undefined);
  }

  /** Take in a frame; steps that are known already are passed over, so a frame that comes twice does no harm. */
  add(frame: Pick<Frame, "first" | "losses" | "evaluations">): void {
    const found = floats(frame.losses);
    const count = this.lanes ? found.length / this.lanes : 0;
    for (let row = 0; row < count; row++) {
      const step = frame.first + row;
      const last = this.steps[this.steps.length - 1];
      if (last !== undefined && step <= last) continue;
      this.steps.push(step);
      for (let lane = 0; lane < this.lanes; lane++) this.losses[lane]?.push(found[row * this.lanes + lane] as number);
    }
    frame.evaluations.forEach((evaluation) => this.evaluate(evaluation));
  }

  evaluate({ step, values }: Evaluation): void {
    const last = this.evaluatedAt[this.evaluatedAt.length - 1];
    if (last !== undefined && step <= last) return;
    this.evaluatedAt.push(step);
    for (const [metric, numbers] of Object.entries(values)) {
      let lanes = this.evaluations.get(metric);
      if (!lanes) this.evaluations.set(metric, (lanes = Array.from({ length: this.lanes }, () => [])));
      numbers.forEach((value, lane) => lanes[lane]?.push(value));
    }
  }

  /** A lane's newest training loss at or before `step` that is a number, with the step it belongs to. */
  lossAt(lane: number, step: number): { step: number; loss: number } | null {
    const values = this.losses[lane] ?? [];
    let place = Math.min(values.length - 1, step - (this.steps[0] ?? 0));
    while (place >= 0 && !Number.isFinite(values[place])) place--;
    return place < 0 ? null : { step: this.steps[place] as number, loss: values[place] as number };
  }

  /** A lane's newest evaluation of `metric` at or before `step` that is a number. */
  evaluatedBy(metric: string, lane: number, step: number): number | null {
    const values = this.evaluations.get(metric)?.[lane] ?? [];
    for (let place = values.length - 1; place >= 0; place--)
      if ((this.evaluatedAt[place] as number) <= step && values[place] !== null) return values[place] as number;
    return null;
  }
}
