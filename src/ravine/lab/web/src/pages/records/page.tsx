import { useMemo } from "preact/hooks";
import { later } from "../../app/later.tsx";
import { route } from "../../app/route.ts";
import { One } from "./one.tsx";
import { inlined, served } from "./source.ts";
import "./records.css";

/** A report has no list, and in the lab nobody begins with it. */
const List = later("List");

/** The list of records, or one of them; in a report the one that it holds. */
export function Records() {
  const id = route.value.rest[0] ?? "";
  const source = useMemo(() => inlined() ?? (id ? served(id) : null), [id]);
  return source ? <One key={id} source={source} id={id} /> : <List />;
}
