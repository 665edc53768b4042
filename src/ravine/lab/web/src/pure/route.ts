/** The address behind "#": a page, what it opens, and settings; `#/records/3?hide=speed,seed`. */
export interface Route {
  page: string;
  rest: string[];
  query: Record<string, string>;
}

export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#\/?/, "");
  const cut = text.indexOf("?");
  const path = (cut < 0 ? text : text.slice(0, cut)).split("/").filter(Boolean).map(decode);
  const query = Object.fromEntries(new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1)));
  return { page: path[0] ?? "", rest: path.slice(1), query };
}

export function formatRoute(page: string, rest: readonly string[] = [], query: Readonly<Record<string, string>> = {}): string {
  const path = [page, ...rest].map(encodeURIComponent).join("/");
  const settings = Object.entries(query)
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3A", ":")}`);
  return `#/${path}${settings.length ? `?${settings.join("&")}` : ""}`;
}

/** The launch token of `#token=...`, and the address without it; no token where there is none. */
export function takeToken(hash: string): { token: string | null; hash: string } {
  const found = /^#token=([^&]+)(?:&(.*))?$/.exec(hash);
  return found ? { token: decode(found[1] as string), hash: found[2] ? `#${found[2]}` : "" } : { token: null, hash };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
