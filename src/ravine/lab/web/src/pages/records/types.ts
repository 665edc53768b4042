import type { LineStyle } from "../../chart/types.ts";

// Of ravine/report/views.py and ravine/lab/shelf.py, as far as the page reads them; tests/lab/test_records.py compares the keys.

export interface Table {
  caption: string;
  titles: string[];
  rows: string[][];
  heads: number;
  numeric: number[];
}

export interface EntrantView {
  name: string;
  style: LineStyle;
  rank: number | null;
  lr: number | null;
  tied_with: string[];
  lanes: number[];
}

export interface LaneColumns {
  lane: number[];
  stage: string[];
  entrant: number[];
  lr: number[];
  seed: number[];
  status: string[];
  ended_at: (number | null)[];
  losses: number[];
  hypers: number[];
  hypers_texts: string[];
  reason: number[];
  reasons: string[];
}

export interface MeasureBand {
  entrant: number;
  median: string;
  low: string;
  high: string;
}

export interface Measure {
  split: string;
  metric: string;
  steps: number[];
  bands: MeasureBand[];
}

export interface RatePoint {
  lr: number;
  value: number | null;
  status: "done" | "culled" | "diverged" | "running";
}

export interface EntrantRates {
  entrant: number;
  ranked: number | null;
  points: RatePoint[];
}

export interface Rates {
  split: string;
  metric: string;
  entrants: EntrantRates[];
}

export interface RecordView {
  kind: "race" | "watch";
  name: string;
  status: string;
  banner: string;
  verdict: string;
  subtitle: string;
  metric: string;
  split: string;
  higher_is_better: boolean;
  target: number | null;
  steps: number;
  summary: unknown;
  entrants: EntrantView[];
  lanes: LaneColumns;
  measures: Measure[];
  rates: Rates | null;
  ranking: Table;
  explanations: string[];
  notes: string[];
  protocol: string[];
  facts: [string, [string, string][]][];
  tables: Record<string, Table>;
  recipe: string;
  recipe_note: string;
}

export interface LossBand {
  entrant: number;
  group: "ranked" | "other";
  low: string;
  high: string;
  median: string;
  count: number[];
}

export interface LossBands {
  start: number;
  stop: number;
  steps: number[];
  bands: LossBand[];
}

export interface LaneCurves {
  start: number;
  stop: number;
  columns: number;
  lanes: number[];
  counts: number[];
  first: number[];
  is_exact: boolean[];
  broken: (number | null)[];
  steps: string;
  values: string;
}

export interface LaneEvaluations {
  lanes: number[];
  steps: number[];
  values: string;
}

export interface ReplayData {
  kind: "record";
  view: RecordView;
  bands: LossBands;
  curves: LaneCurves;
  evaluations: LaneEvaluations[];
  kept: string;
}

export interface RecordEntry {
  kind?: string;
  task?: string;
  status?: string;
  created?: string;
  optimizer?: string | null;
  lanes?: Record<string, number>;
  error?: string;
  id: string;
  file: string;
  folder: string;
  is_given: boolean;
  changed: number;
}

export interface RecordList {
  records: RecordEntry[];
  folder: string;
  left_out: number;
}
