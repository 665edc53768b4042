import { useEffect, useState } from "preact/hooks";
import { get } from "../../net/api.ts";

export interface Asked<T> {
  found: T | null;
  problem: string;
  isBusy: boolean;
  again(): void;
}

const PAUSE_MS = 200;
const kept = new Map<string, unknown>();
const MOST_KEPT = 40;

/** What the server answers to `path`: the last answer stays until the next one is there, and a slider asks only when it rests. An answer that
 *  is not fixed is asked for anew by every page that is opened. */
export function useAnswer<T>(path: string, isFixed = true): Asked<T> {
  const [found, setFound] = useState<T | null>((isFixed && (kept.get(path) as T | undefined)) || null);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(true);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isOld = false;
    const show = (answer: T) => {
      if (isOld) return;
      setFound(answer);
      setProblem("");
      setBusy(false);
    };
    const old = isFixed && (kept.get(path) as T | undefined);
    if (old) return show(old);
    setBusy(true);
    const ask = async () => {
      try {
        const answer = await get<T>(path);
        kept.set(path, answer);
        if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value as string);
        show(answer);
      } catch (error) {
        if (isOld) return;
        setProblem((error as Error).message);
        setBusy(false);
      }
    };
    const waiting = setTimeout(ask, found ? PAUSE_MS : 0);
    return () => {
      isOld = true;
      clearTimeout(waiting);
    };
  }, [path, turn]);
  return { found, problem, isBusy, again: () => setTurn(turn + 1) };
}
