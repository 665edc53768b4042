import { useEffect } from "preact/hooks";
import { isReplay } from "../net/api.ts";
import { isConnected } from "../net/stream.ts";
import { pages } from "../pages/index.ts";
import { announced } from "./announce.ts";
import { route } from "./route.ts";
import { type Choice, choice } from "./theme.ts";

const mode = isReplay ? "replay" : "live";
const open = pages.filter((page) => page.modes.includes(mode));

/** Header with navigation and theme, the page, and the live region. */
export function Shell() {
  const here = open.find((page) => page.path === route.value.page) ?? open[0];
  const isLost = route.value.page !== "" && here?.path !== route.value.page;
  useEffect(() => {
    // A report has its race's name already.
    if (!isReplay) document.title = here ? `${here.title} · ravine` : "ravine";
    // On a narrow screen the navigation is one line that scrolls.
    document.querySelector(".top [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [here]);
  if (!here) return null;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <header class="top">
        <span class="brand">
          <svg viewBox="0 0 28 20" aria-hidden="true">
            <path d="M1 2 C7 3 9 18 14 18 S21 3 27 2" />
            <circle cx="14" cy="16.4" r="2.4" />
          </svg>
          ravine
        </span>
        {open.length > 1 && (
          <nav aria-label="Pages">
            {open.map((page) => (
              <a key={page.path} href={`#/${page.path}`} aria-current={page === here ? "page" : undefined}>
                {page.title}
              </a>
            ))}
          </nav>
        )}
        <ThemeSwitch />
      </header>
      <main id="main" tabIndex={-1}>
        {!isConnected.value && (
          <p class="notice" role="alert">
            The server does not answer; the page tries again by itself. If <code>ravine lab</code> has ended, start it again.
          </p>
        )}
        {isLost && <p class="notice">There is no page “{route.value.page}” here; this is {here.title}.</p>}
        <here.view key={here.path} />
      </main>
      <div class="unseen" role="status" aria-live="polite">
        {announced.value}
      </div>
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function ThemeSwitch() {
  return (
    <label class="theme">
      <span>Theme</span>
      <select value={choice.value} onChange={(event) => (choice.value = event.currentTarget.value as Choice)}>
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}
