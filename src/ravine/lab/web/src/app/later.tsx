import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../controls/problem.tsx";
import { shared } from "./shared.ts";

type Views = Record<string, ComponentType<never>>;
let asked: Promise<Views> | null = null;

function load(): Promise<Views> {
  asked ??= new Promise<Views>((resolve, reject) => {
    const place = globalThis as { ravineShared?: unknown; ravineMore?: Views };
    place.ravineShared = shared;
    const onerror = () => {
      asked = null;
      reject(new Error("This page's script could not be loaded: start the lab again with ravine lab, or build it with make web."));
    };
    // The script runs when its style is there, so that nothing is drawn twice.
    const script = Object.assign(document.createElement("script"), { src: "/more.js", onload: () => resolve(place.ravineMore as Views), onerror });
    const onload = () => document.head.append(script);
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/more.css", onload, onerror }));
  });
  return asked;
}

/** A page or a part of one of the second script, loaded when it is shown for the first time. */
export function later<Props extends object = object>(name: string): ComponentType<Props> {
  return function Later(props: Props) {
    const [View, setView] = useState<ComponentType<Props> | null>(null);
    const [problem, setProblem] = useState("");
    const open = () =>
      void load().then(
        (views) => setView(() => views[name] as ComponentType<Props>),
        (error: Error) => setProblem(error.message),
      );
    useEffect(open, []);
    return View ? <View {...props} /> : <Problem text={problem} again={open} />;
  };
}
