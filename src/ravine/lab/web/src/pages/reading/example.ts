/** Three made-up curves, always the same: a spike of one step, noise, and one that breaks. */
export function example(length: number): { steps: number[]; calm: number[]; noisy: number[]; broken: (number | null)[]; brokeAt: number } {
  const steps = Array.from({ length }, (_, step) => step);
  const brokeAt = Math.round(length * 0.3);
  // A hash of the step in place of a random number, so that the page never changes.
  const noise = (step: number) => Math.abs(Math.sin(step * 12.9898) * 43758.5453) % 1;
  return {
    steps,
    calm: steps.map((step) => (step === Math.round(0.6 * length) ? 0.9 : 0.01 + 0.6 * Math.exp((-6 * step) / length))),
    noisy: steps.map((step) => (0.08 + 0.8 * Math.exp((-9 * step) / length)) * (0.5 + noise(step))),
    broken: steps.map((step) => (step > brokeAt ? null : 0.5 + 2.5 * (step / brokeAt) ** 9)),
    brokeAt,
  };
}
