import { takeToken } from "../pure/route.ts";

/** What a report carries in place of a server; null in the lab. */
export const replay: unknown = readReplay();
export const isReplay = replay !== null;
export const token = isReplay ? "" : readToken();

/** An answer that is not one: its message is a sentence for the reader. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export function get<T>(path: string): Promise<T> {
  return call<T>(path, { headers: { "x-ravine-token": token } });
}

export function post<T>(path: string, body: unknown): Promise<T> {
  return call<T>(path, {
    method: "POST",
    headers: { "x-ravine-token": token, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch {
    throw new ApiError("The lab's server does not answer: start it again with ravine lab, then open the address that it prints.", 0);
  }
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) {
    const said = (body as { error?: string } | null)?.error;
    throw new ApiError(said ?? `The server answered ${answer.status} to ${path}; look at the terminal that runs ravine lab.`, answer.status);
  }
  return body as T;
}

function readReplay(): unknown {
  const found = document.getElementById("ravine-data");
  return found ? JSON.parse(found.textContent ?? "null") : null;
}

function readToken(): string {
  const taken = takeToken(location.hash);
  if (taken.token) {
    sessionStorage.setItem("ravine-token", taken.token);
    history.replaceState(null, "", taken.hash || location.pathname);
  }
  return sessionStorage.getItem("ravine-token") ?? "";
}
