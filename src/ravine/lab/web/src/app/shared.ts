import { computed, signal } from "@preact/signals";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { Fragment, jsx, jsxs } from "preact/jsx-runtime";
import { Chart } from "../chart/chart.tsx";
import { drawMarker, OUTLINES } from "../chart/glyph.ts";
import { lineColor } from "../chart/options.ts";
import { Code } from "../controls/code.tsx";
import { Choices, NumberBox, Part, Select, Slider, Switch } from "../controls/fields.tsx";
import { Problem } from "../controls/problem.tsx";
import { Swatch } from "../controls/swatch.tsx";
import { get, post, token } from "../net/api.ts";
import { follow } from "../net/stream.ts";
import { floats } from "../pure/base64.ts";
import { counted, listed, number, rate, whole } from "../pure/format.ts";
import { formatRoute } from "../pure/route.ts";
import { announce } from "./announce.ts";
import { catalogue, loadCatalogue, styleOf } from "./catalogue.ts";
import { route, setQuery } from "./route.ts";
import { color, colorsChanged, isStill } from "./theme.ts";

/** What the second script uses of the first (see more.mjs, which checks that nothing is missing): modules that hold state, or are large. */
export const shared = {
  "@preact/signals": { computed, signal },
  "preact/hooks": { useEffect, useId, useMemo, useRef, useState },
  "preact/jsx-runtime": { Fragment, jsx, jsxs },
  "app/announce.ts": { announce },
  "app/catalogue.ts": { catalogue, loadCatalogue, styleOf },
  "app/route.ts": { route, setQuery },
  "app/theme.ts": { color, colorsChanged, isStill },
  "chart/chart.tsx": { Chart },
  "chart/glyph.ts": { drawMarker, OUTLINES },
  "chart/options.ts": { lineColor },
  "controls/code.tsx": { Code },
  "controls/fields.tsx": { Choices, NumberBox, Part, Select, Slider, Switch },
  "controls/problem.tsx": { Problem },
  "controls/swatch.tsx": { Swatch },
  "net/api.ts": { get, post, token },
  "net/stream.ts": { follow },
  "pure/base64.ts": { floats },
  "pure/format.ts": { counted, listed, number, rate, whole },
  "pure/route.ts": { formatRoute },
};
