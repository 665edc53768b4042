import type { ComponentType } from "preact";
import { Race } from "./race/page.tsx";
import { Records } from "./records/page.tsx";
import { small } from "./small.ts";

/** A page: its path behind "#/", its name in the navigation, and where it has what it needs. */
export interface Page {
  path: string;
  title: string;
  view: ComponentType;
  modes: readonly ("live" | "replay")[];
}

/** In the order of the navigation; the first of a mode is where one arrives. */
export const pages: readonly Page[] = [
  { path: "race", title: "Race", view: Race, modes: ["live"] },
  { path: "records", title: "Records", view: Records, modes: ["live", "replay"] },
  ...small,
];
