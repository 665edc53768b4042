import { computed, signal } from "@preact/signals";
import { formatRoute, parseRoute } from "../pure/route.ts";

/** Where the page stands. */
export const route = signal(parseRoute(location.hash));

/** Controls that a teacher's link hides: `hide=speed,seed`. */
export const hidden = computed(() => new Set((route.value.query.hide ?? "").split(",").filter(Boolean)));

addEventListener("hashchange", () => {
  route.value = parseRoute(location.hash);
});

/** Write settings into the address without a new entry in the history; an empty value leaves the setting out. */
export function setQuery(query: Record<string, string>): void {
  const here = route.peek();
  const merged = { ...here.query, ...query };
  const hash = formatRoute(here.page, here.rest, merged);
  if (hash === location.hash) return;
  history.replaceState(null, "", hash);
  route.value = parseRoute(hash);
}

/** Go to a page, with an entry in the history. */
export function go(page: string, rest: readonly string[] = [], query: Record<string, string> = {}): void {
  location.hash = formatRoute(page, rest, query);
}
