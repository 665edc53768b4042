import { signal } from "@preact/signals";
import type { LineStyle } from "../chart/types.ts";
import { get } from "../net/api.ts";
import type { Catalogue } from "../protocol.ts";

/** What the server offers; null until it has answered. */
export const catalogue = signal<Catalogue | null>(null);
let asked: Promise<Catalogue> | null = null;

/** The catalogue, asked for once. */
export function loadCatalogue(): Promise<Catalogue> {
  asked ??= get<Catalogue>("/api/catalogue").then(
    (found) => (catalogue.value = found),
    (error: unknown) => {
      asked = null;
      throw error;
    },
  );
  return asked;
}

const OTHER: LineStyle = { colour: { light: "#1a1d20", dark: "#ececec" }, dash: [], marker: "o" };

/** How an optimiser is drawn, on every page. */
export function styleOf(name: string): LineStyle {
  return catalogue.value?.optimizers.find((optimizer) => optimizer.name === name)?.style ?? OTHER;
}
