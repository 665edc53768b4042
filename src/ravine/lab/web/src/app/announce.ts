import { signal } from "@preact/signals";

/** What the polite live region says; see the shell. */
export const announced = signal("");
const PAUSE_MS = 5000;
let waiting: string | null = null;
let isBusy = false;

/** Say a sentence to a screen reader: at most one every five seconds, the newest of those that came too soon. */
export function announce(text: string): void {
  if (isBusy) {
    waiting = text;
    return;
  }
  announced.value = text;
  isBusy = true;
  setTimeout(() => {
    isBusy = false;
    if (waiting !== null) {
      const next = waiting;
      waiting = null;
      announce(next);
    }
  }, PAUSE_MS);
}
