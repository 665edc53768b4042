/**
 * A debiased exponential mean that grows with its curve: weight / (1 - beta^n), so that the first value does not pull the start.
 *
 * In log space the mean is geometric, which is what a log axis shows. A value that is not finite is passed over and stays a gap.
 */
export class Smoother {
  readonly values: (number | null)[] = [];
  private mean = 0;
  private weight = 0;

  constructor(
    readonly beta: number,
    readonly isLog: boolean,
  ) {}

  /** Take in what `raw` has beyond what was seen; `raw` only ever grows. */
  extend(raw: ArrayLike<number | null>): (number | null)[] {
    for (let place = this.values.length; place < raw.length; place++) this.values.push(this.next(raw[place]));
    return this.values;
  }

  private next(value: number | null | undefined): number | null {
    if (value === null || value === undefined || !Number.isFinite(value) || (this.isLog && value <= 0)) return null;
    const entered = this.isLog ? Math.log(value) : value;
    this.mean = this.beta * this.mean + (1 - this.beta) * entered;
    this.weight = this.beta * this.weight + (1 - this.beta);
    const found = this.mean / this.weight;
    return this.isLog ? Math.exp(found) : found;
  }
}

/** A slider's 0 to 100 as beta: 0 is off, 100 averages over about a thousand steps. */
export function betaOf(slider: number): number {
  return slider <= 0 ? 0 : 1 - 10 ** ((-3 * slider) / 100);
}
