import { later } from "../app/later.tsx";
import type { Page } from "./index.ts";

const TITLES = {
  surface: "Surface",
  schedules: "Schedules",
  "loss-shapes": "Loss shapes",
  precision: "Precision",
  depth: "Depth",
  memory: "Memory",
  doctor: "Doctor",
  lessons: "Lessons",
  reading: "Reading charts",
};

/** Where the view is not called as its title. */
const VIEWS: Record<string, string> = { "loss-shapes": "Losses", reading: "Reading" };

/** Pages of one figure each, the doctor and the lessons: the lab's alone, from the second script (see more.mjs). */
export const small: readonly Page[] = Object.entries(TITLES).map(([path, title]) => ({
  path,
  title,
  view: later(VIEWS[path] ?? title),
  modes: ["live"],
}));
