import { computed, signal } from "@preact/signals";
import { announce } from "../../app/announce.ts";
import { loadCatalogue } from "../../app/catalogue.ts";
import { route, setQuery } from "../../app/route.ts";
import { isStill } from "../../app/theme.ts";
import { ApiError, get, post } from "../../net/api.ts";
import { follow } from "../../net/stream.ts";
import type { Control, Created, Diverged, End, Failure, Frame, Hello, Landmarks, Setting, Snapshot, Status } from "../../protocol.ts";
import { History } from "./history.ts";
import { queryOf, settingOf } from "./setting.ts";

const STILL_MS = 500;
const KEY = "ravine-race";

/** The setting that the page shows and the server runs. */
export const setting = signal<Setting | null>(null);
/** The state at the last hello: lanes, grid, protocol. */
export const hello = signal<Hello | null>(null);
export const status = signal<Pick<Status, "state" | "running" | "speed" | "step" | "message">>({
  state: "preparing",
  running: false,
  speed: null,
  step: 0,
  message: "",
});
/** What was measured; it grows in place, and `beat` tells when to look again. */
export let history = new History(0);
export const beat = signal(0);
/** The newest snapshot, and the one of the step looked back at. */
export const latest = signal<Snapshot | null>(null);
export const past = signal<Snapshot | null>(null);
/** The snapshots around a step that was taken alone; null once the race plays. */
export const stepped = signal<{ before: Snapshot | null; after: Snapshot } | null>(null);
/** The step looked back at; null is the newest. */
export const viewed = signal<number | null>(null);
export const problem = signal("");
/** The lane that stands out in every panel, by its optimiser. */
export const lit = signal<string | null>(null);
export const landmarks = signal<Landmarks | null>(null);
/** A guess made before Play. */
export const guess = signal<string | null>(null);

export const lanes = computed(() => hello.value?.lanes ?? []);
export const stepShown = computed(() => viewed.value ?? status.value.step);
export const snapshot = computed(() => (viewed.value === null ? latest.value : (past.value ?? latest.value)));

let session = "";
let unfollow: (() => void) | null = null;
let timer = 0;
let wishes = 0;
let pending = 0;
let isStepping = false;

/** Begin with the address's setting: the session of this tab if it is the same race, another's if the address joins one, else a new one. */
export async function begin(): Promise<void> {
  try {
    const { preset } = await loadCatalogue();
    const { join } = route.peek().query;
    setting.value = settingOf(route.peek().query, preset);
    const kept = sessionStorage.getItem(KEY);
    const [id, key] = kept ? (JSON.parse(kept) as [string, string]) : ["", ""];
    if (join) return listen(join);
    if (id && key === JSON.stringify(queryOf(setting.value))) return listen(id);
    await create();
  } catch (error) {
    fail(error);
  }
}

/** Leave the page; the race goes on in the server until it is paused. */
export function leave(): void {
  unfollow?.();
  unfollow = null;
}

/** Race with another setting, from the start; false where it was refused, and the race that was there stays. */
export async function apply(wanted: Partial<Setting>): Promise<boolean> {
  if (!setting.peek()) return false;
  const before = setting.peek() as Setting;
  setting.value = { ...before, ...wanted };
  problem.value = "";
  const wish = ++wishes;
  pending++;
  try {
    if (session) await send({ do: "settings", setting: setting.value });
    else await create();
    remember();
    return true;
  } catch (error) {
    // What was set since then is on its way, and is what the controls show.
    if (wish !== wishes) return false;
    // The controls show again what is running.
    setting.value = hello.peek()?.setting ?? before;
    fail(error);
    return false;
  } finally {
    pending--;
  }
}

/** Play, pause, step, speed, reset. */
export async function control(body: Control): Promise<void> {
  try {
    if (body.do === "play" || body.do === "step" || body.do === "reset") {
      back();
      isStepping = body.do === "step";
      if (!isStepping) stepped.value = null;
    }
    problem.value = "";
    if (!session) await create();
    await send(body);
  } catch (error) {
    fail(error);
  }
}

/** Look back at a step; the nearest snapshot at or before it is shown. */
export function look(step: number): void {
  if (step >= status.peek().step) return back();
  viewed.value = step;
  clearTimeout(timer);
  timer = window.setTimeout(() => void fetchPast(step), 40);
}

/** Look at the newest step again. */
export function back(): void {
  viewed.value = null;
  past.value = null;
}

export async function askLandmarks(): Promise<void> {
  if (!session || landmarks.peek()) return;
  const asked = session;
  const revision = hello.peek()?.revision;
  try {
    const found = await get<Landmarks>(`/api/sessions/${asked}/landmarks`);
    if (session === asked && hello.peek()?.revision === revision) landmarks.value = found;
  } catch (error) {
    fail(error);
  }
}

export function sessionPath(rest: string): string {
  return `/api/sessions/${session}/${rest}`;
}

async function create(): Promise<void> {
  const made = await post<Created>("/api/sessions", setting.peek());
  listen(made.session);
  remember();
}

async function send(body: Control): Promise<void> {
  await post(`/api/sessions/${session}/control`, body);
}

async function fetchPast(step: number): Promise<void> {
  try {
    const found = await get<Snapshot>(`/api/sessions/${session}/frame?step=${step}`);
    if (viewed.peek() === step) past.value = found;
  } catch (error) {
    fail(error);
  }
}

function listen(id: string): void {
  unfollow?.();
  session = id;
  unfollow = follow(
    `/api/sessions/${id}/events`,
    { hello: welcome, frame, status: (data: Status) => (status.value = data), diverged: lose, end, error: failure },
    "",
    isGone,
  );
}

/** Whether the server answers but knows the session no more: then another is made in its place. */
async function isGone(): Promise<boolean> {
  try {
    await get("/api/catalogue");
  } catch {
    return false;
  }
  try {
    await create();
  } catch (error) {
    fail(error);
  }
  return true;
}

function remember(): void {
  const query = queryOf(setting.peek() as Setting);
  setQuery({ ...query, join: "" });
  sessionStorage.setItem(KEY, JSON.stringify([session, JSON.stringify(query)]));
}

function welcome(data: Hello): void {
  const isSame = data.revision === hello.peek()?.revision && data.session === hello.peek()?.session && data.resumes_at > 0;
  if (!isSame) {
    history = new History(data.lanes.length);
    landmarks.value = null;
    stepped.value = null;
    isStepping = false;
    back();
  }
  data.evaluations.forEach((evaluation) => history.evaluate(evaluation));
  for (const ended of data.diverged) history.diverged[ended.lane] = ended;
  latest.value = data.snapshot ?? (isSame ? latest.peek() : null);
  // The answer to a setting must not take back what was set since, or the next change would build on it.
  if (!pending) setting.value = data.setting;
  status.value = data;
  hello.value = data;
  if (data.state === "failed") problem.value = data.message;
  pulse();
}

function frame(data: Frame): void {
  if (data.revision !== hello.peek()?.revision) return;
  history.add(data);
  if (data.snapshot && isStepping) stepped.value = { before: latest.peek(), after: data.snapshot };
  if (data.snapshot) latest.value = data.snapshot;
  status.value = { ...status.peek(), step: Math.max(status.peek().step, data.last) };
  pulse();
}

function lose(data: Diverged): void {
  history.diverged[data.lane] = data;
  announce(`${lanes.peek()[data.lane]?.optimizer} diverged at step ${data.step}: ${data.reason}`);
  pulse();
}

function end(data: End): void {
  status.value = { ...status.peek(), state: "done", running: false, step: data.step, message: data.reason };
  announce(`The race is over at step ${data.step}.`);
  pulse();
}

function failure(data: Failure): void {
  problem.value = data.message;
}

let isWaiting = false;
function pulse(): void {
  if (!isStill.peek()) {
    beat.value++;
    return;
  }
  if (isWaiting) return;
  isWaiting = true;
  setTimeout(() => {
    isWaiting = false;
    beat.value++;
  }, STILL_MS);
}

function fail(error: unknown): void {
  problem.value = error instanceof ApiError ? error.message : `The page failed: ${String(error)}. Reload it, and report this if it comes again.`;
}
