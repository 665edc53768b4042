// Written from ravine/lab/protocol.py by python -m ravine.lab._typescript; a test compares.

export type Numbers = (number | null)[];

export type Floats = string;

export type State = "preparing" | "paused" | "running" | "done" | "failed";

export type Target = "two-bumps" | "sawtooth" | "sine" | "step" | "noisy-line" | "formula" | "csv";

/** Of a curve: which, and what the last two take. */
export interface TaskOptions {
  target?: Target;
  formula?: string;
  curve?: string;
}

/** When a race ends before its steps are taken, looked at where it is evaluated. `target`: every lane that is left has a validation loss of at most this. `plateau`: for so many steps no lane's best improved by a thousandth. */
export interface Stop {
  target?: number;
  plateau?: number;
}

/** Everything that decides the numbers of a race of the page. */
export interface Setting {
  task: "curve" | "digits" | "user";
  task_options: TaskOptions;
  optimizers: string[];
  lrs: Record<string, number> | number | "tuned";
  schedule: string;
  seed: number;
  width: number;
  batch_size: number | null;
  steps: number;
  stop: Stop;
}

/** A control of a session; `speed` in steps a second, None for as fast as it goes. */
export interface Control {
  do: "play" | "pause" | "step" | "speed" | "reset" | "settings" | "end";
  steps?: number;
  speed?: number | null;
  setting?: Setting;
}

/** The answer to a new session. */
export interface Created {
  session: string;
  revision: number;
  state: State;
}

/** The answer to a control: the revision that it belongs to. */
export interface Accepted {
  revision: number;
}

/** The answer to points that were sent: the name to give as `task_options.curve`, and how many there are. */
export interface Curve {
  curve: string;
  points: number;
}

/** The answer to what cannot be done: one sentence. */
export interface Problem {
  error: string;
}

/** Where an optimiser's rate may lie. */
export interface Rate {
  low: number;
  high: number;
  default: number;
}

/** A series' colour on each ground. */
export interface Colour {
  light: string;
  dark: string;
}

/** How a series is drawn; markers have matplotlib's names. */
export interface Style {
  colour: Colour;
  dash: number[];
  marker: "o" | "s" | "^" | "D" | "v" | "P" | "X" | "h";
}

/** An optimiser that may be entered; it has its style everywhere. */
export interface Optimizer {
  name: string;
  title: string;
  summary: string;
  source: string;
  style: Style;
  lr: Rate;
  hypers: Record<string, number>;
  formula: string;
}

/** A schedule of the rate. */
export interface Schedule {
  name: string;
  summary: string;
}

/** A task that may be chosen. */
export interface TaskEntry {
  name: "curve" | "digits" | "user";
  title: string;
  kind: "curve" | "digits" | "user";
  width: number | null;
  batch_size: number | null;
  targets: string[];
}

/** What the server takes. */
export interface Limits {
  optimizers: number;
  steps: number;
  width: number;
  batch_size: number;
  points: number;
}

/** What the page can offer. */
export interface Catalogue {
  version: string;
  tasks: TaskEntry[];
  optimizers: Optimizer[];
  schedules: Schedule[];
  files: string[];
  limits: Limits;
  preset: Setting;
}

/** A lane of the race. */
export interface LaneInfo {
  lane: number;
  optimizer: string;
  lr: number;
  hypers: Record<string, number>;
}

/** Whether all lanes began with the same weights and read the same batches: compared, not assumed. */
export interface SameWeights {
  asserted: boolean;
  weights: string;
  batches: string;
  seed: number;
}

/** Points of a curve. */
export interface Points {
  x: string;
  y: string;
  count: number;
}

/** How an optimiser's rates were found by a sweep. */
export interface Tuning {
  default: number;
  tuned: number | null;
  diverges_above: number | null;
  rates: number[];
  losses: Numbers;
}

/** Rates worth marking, by optimiser, and how they were found. */
export interface Landmarks {
  protocol: string;
  steps: number;
  by_optimizer: Record<string, Tuning>;
}

/** What goes on inside, one number a lane: norms over all weights. `effective_lr` is the length of the last update over that of its gradient. */
export interface Inspector {
  gradient_norm: Numbers;
  update_norm: Numbers;
  m_norm: Numbers;
  v_norm: Numbers;
  effective_lr: Numbers;
  lr: Numbers;
}

/** Lanes after a step: predictions (lanes x grid), empty where the task has no curve, and what goes on inside. */
export interface Snapshot {
  step: number;
  predictions: string;
  inspector: Inspector;
}

/** Means over the validation split after a step, by metric, one a lane. */
export interface Evaluation {
  step: number;
  values: Record<string, (number | null)[]>;
}

/** The whole state; frames from step `resumes_at` follow. */
export interface Hello {
  kind: "hello";
  session: string;
  revision: number;
  setting: Setting;
  state: State;
  message: string;
  running: boolean;
  speed: number | null;
  step: number;
  resumes_at: number;
  lanes: LaneInfo[];
  task: string;
  metric: string;
  grid: string;
  target: string;
  data: Points | null;
  protocol: string;
  same_weights: SameWeights | null;
  diverged: Diverged[];
  evaluations: Evaluation[];
  kept: number[];
  snapshot: Snapshot | null;
}

/** Steps after those that the tab has: losses (steps x lanes) before each step's update. */
export interface Frame {
  kind: "frame";
  revision: number;
  first: number;
  last: number;
  losses: string;
  evaluations: Evaluation[];
  snapshot: Snapshot | null;
  alive: boolean[];
}

/** What the session does now. */
export interface Status {
  kind: "status";
  revision: number;
  state: State;
  running: boolean;
  speed: number | null;
  step: number;
  message: string;
}

/** A lane's end, the step counted from 1. */
export interface Diverged {
  kind: "diverged";
  revision: number;
  lane: number;
  step: number;
  reason: string;
  remedy: string;
}

/** All steps are taken, or a rule stopped the race. */
export interface End {
  kind: "end";
  revision: number;
  step: number;
  reason: string;
}

/** Something ended the training; `restarted` tells whether it can be played again at once. */
export interface Failure {
  kind: "error";
  revision: number;
  message: string;
  restarted: boolean;
}

export type Event = Hello | Frame | Status | Diverged | End | Failure;

/** A run as texts to copy: a plain PyTorch script a lane, the command and the Python that race the same; empty where there is none. */
export interface Code {
  scripts: Record<string, string>;
  command: string;
  python: string;
  note: string;
}

/** The record that a race was kept in. */
export interface Saved {
  file: string;
}
