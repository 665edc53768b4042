import { render } from "preact";
import { Shell } from "./app/shell.tsx";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/chart.css";

const root = document.getElementById("app") ?? document.body.appendChild(Object.assign(document.createElement("div"), { id: "app" }));
turnOn(true);
try {
  render(<Shell />, root);
} catch (error) {
  turnOn(false);
  throw error;
}

/** In a report the static page shows until this one runs, and is what gets printed; the lab's own page has no such sheets. */
function turnOn(isOn: boolean): void {
  const [own, other] = ["app-style", "static-style"].map((id) => document.getElementById(id) as HTMLStyleElement | null);
  if (own) own.media = isOn ? "screen" : "not all";
  if (other) other.media = isOn ? "print" : "all";
}
