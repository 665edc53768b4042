import { Depth } from "./pages/depth/page.tsx";
import { Doctor } from "./pages/doctor/page.tsx";
import { Lessons } from "./pages/lessons/page.tsx";
import { Losses } from "./pages/losses/page.tsx";
import { Memory } from "./pages/memory/page.tsx";
import { Precision } from "./pages/precision/page.tsx";
import { LinkChoices } from "./pages/race/links.tsx";
import { Equations } from "./pages/race/equations.tsx";
import { OneStep } from "./pages/race/one_step.tsx";
import { Reading } from "./pages/reading/page.tsx";
import { List } from "./pages/records/list.tsx";
import { Schedules } from "./pages/schedules/page.tsx";
import { Surface } from "./pages/surface/page.tsx";
import "./pages/doctor/doctor.css";
import "./pages/figure/figure.css";
import "./pages/memory/memory.css";
import "./pages/precision/precision.css";
import "./pages/race/one_step.css";
import "./pages/surface/surface.css";

Object.assign(globalThis, {
  ravineMore: { Depth, Doctor, Equations, Lessons, LinkChoices, List, Losses, Memory, OneStep, Precision, Reading, Schedules, Surface },
});
