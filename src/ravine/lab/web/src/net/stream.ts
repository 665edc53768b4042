import { signal } from "@preact/signals";
import { token } from "./api.ts";

/** Whether the server is heard. */
export const isConnected = signal(true);

export type Handlers = Record<string, (data: never) => void>;

/**
 * Follow the events of `path`. Every event is a name, an id and JSON; after a break, or an hour in a hidden tab, the stream goes on
 * behind the last id seen. A hidden tab holds no connection: browsers allow about six to one server.
 *
 * @param refused called when the server will not have the stream at all; true ends the trying.
 * @returns what ends it.
 */
export function follow(path: string, handlers: Handlers, since = "", refused?: () => Promise<boolean>): () => void {
  let last = since;
  let source: EventSource | null = null;
  let isEnded = false;

  const open = () => {
    if (source || isEnded || document.hidden) return;
    const query = new URLSearchParams(last ? { token, since: last } : { token });
    source = new EventSource(`${path}?${query}`);
    source.onopen = () => (isConnected.value = true);
    source.onerror = () => {
      isConnected.value = false;
      // A browser tries again by itself unless it was refused.
      if (source?.readyState === EventSource.CLOSED) {
        close();
        void again();
      }
    };
    for (const [name, handle] of Object.entries(handlers))
      source.addEventListener(name, (event) => {
        // The browser's own "error" event has this name too, without data.
        if (!(event instanceof MessageEvent) || typeof event.data !== "string") return;
        last = event.lastEventId || last;
        handle(JSON.parse(event.data) as never);
      });
  };
  const again = async () => {
    if (await refused?.()) return;
    setTimeout(open, 2000);
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const change = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", change);
  open();
  return () => {
    isEnded = true;
    document.removeEventListener("visibilitychange", change);
    close();
  };
}
