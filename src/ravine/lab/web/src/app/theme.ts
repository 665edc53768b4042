import { computed, effect, signal } from "@preact/signals";

export type Choice = "system" | "light" | "dark";
const KEY = "ravine-theme";
const wanted = matchMedia("(prefers-color-scheme: dark)");
const forced = matchMedia("(forced-colors: active)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

export const choice = signal<Choice>(stored());
const systemDark = signal(wanted.matches);
const isForced = signal(forced.matches);
/** Whether the reader asked for little motion. */
export const isStill = signal(still.matches);
/** The theme in use. */
export const theme = computed<"light" | "dark">(() =>
  choice.value === "system" || isForced.value ? (systemDark.value ? "dark" : "light") : choice.value,
);

wanted.addEventListener("change", () => (systemDark.value = wanted.matches));
forced.addEventListener("change", () => (isForced.value = forced.matches));
still.addEventListener("change", () => (isStill.value = still.matches));

effect(() => {
  document.documentElement.dataset.theme = choice.value;
  try {
    localStorage.setItem(KEY, choice.value);
  } catch {
    // A page opened from disk may have no storage: the choice then lasts as long as the page.
  }
});

function stored(): Choice {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "system";
  } catch {
    return "system";
  }
}

const resolved = new Map<string, string>();
let probe: HTMLElement | null = null;

/** A custom property as a colour that a canvas understands; read `theme` or `colorsChanged` beside it to repaint. */
export function color(name: string): string {
  const key = `${name} ${theme.peek()} ${isForced.peek()}`;
  let found = resolved.get(key);
  if (!found) {
    probe ??= document.body.appendChild(Object.assign(document.createElement("span"), { hidden: true }));
    // A mixture of system colours would be forced back to one of them.
    probe.style.forcedColorAdjust = "none";
    probe.style.color = name.startsWith("--") ? `var(${name})` : name;
    found = getComputedStyle(probe).color;
    resolved.set(key, found);
  }
  return found;
}

/** Changes whenever a canvas has to be painted in other colours. */
export const colorsChanged = computed(() => `${theme.value} ${isForced.value}`);
