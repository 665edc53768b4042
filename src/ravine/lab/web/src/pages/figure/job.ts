import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../../net/api.ts";
import { follow } from "../../net/stream.ts";

interface Started {
  job: string;
  commands?: string[];
  python?: string;
}

/** A long job of the server's, one at a time: what it does now (null while it does nothing), and what came of it. */
export function useJob<T>() {
  const [doing, setDoing] = useState<string | null>(null);
  const [result, setResult] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  const [texts, setTexts] = useState<{ commands: string[]; python: string } | null>(null);
  const job = useRef("");
  const leave = useRef(() => {});
  const isRunning = useRef(false);
  // A job that nobody follows would only take the place of another.
  useEffect(
    () => () => {
      leave.current();
      if (isRunning.current) stop();
    },
    [],
  );

  const end = (found: T | null, sentence: string) => {
    leave.current();
    isRunning.current = false;
    setDoing(null);
    setResult(found);
    setProblem(sentence);
  };
  const start = async (path: string, body: unknown) => {
    setDoing("");
    setResult(null);
    setProblem("");
    try {
      const started = await post<Started>(path, body);
      job.current = started.job;
      isRunning.current = true;
      setTexts(started.commands ? { commands: started.commands, python: started.python ?? "" } : null);
      leave.current = follow(`/api/jobs/${started.job}/events`, {
        doing: (words: string) => setDoing(words),
        result: (found: T) => end(found, ""),
        failed: (sentence: string) => end(null, sentence),
      });
    } catch (error) {
      end(null, (error as Error).message);
    }
  };
  const stop = () => void post(`/api/jobs/${job.current}/stop`, {}).catch((error: Error) => end(null, error.message));
  return { doing, result, problem, texts, start, stop };
}
