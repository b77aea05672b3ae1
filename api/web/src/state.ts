/**
 * The one state of the page, kept in the address.
 *
 * A copied address shows another person the same map, crop, county and pixel; there is
 * no other memory, so a reload can never disagree with what is on the screen.
 */

export type Lang = "zh" | "en";
export type Panel = "county" | "season" | "devices";
export const CROPS = ["maize", "rice", "soybean"] as const;
export type Crop = (typeof CROPS)[number];

/** Position in degrees, WGS 84, always longitude first. */
export type LonLat = readonly [lon: number, lat: number];

export interface View {
  readonly centre: LonLat;
  readonly zoom: number;
}

export interface State {
  readonly lang: Lang;
  readonly crop: Crop;
  /** null = the newest year that has data. */
  readonly year: number | null;
  /** "county", or the kind and resolution of a product, as "yield-map-10m". */
  readonly layer: string;
  readonly opacity: number;
  /** null = the whole province. */
  readonly view: View | null;
  readonly panel: Panel;
  readonly county: string | null;
  readonly pixel: LonLat | null;
  readonly device: string | null;
}

const START: State = {
  lang: "zh",
  crop: "maize",
  year: null,
  layer: "county",
  opacity: 1,
  view: null,
  panel: "county",
  county: null,
  pixel: null,
  device: null,
};

/** Read a state from a query string; what is not understood takes its default. */
export function parse(query: string): State {
  const q = new URLSearchParams(query);
  const one = <T extends string>(key: string, allowed: readonly T[], other: T): T =>
    allowed.find((value) => value === q.get(key)) ?? other;
  const numbers = (key: string, count: number): number[] | null => {
    const list = (q.get(key) ?? "").split(",").map(Number.parseFloat);
    return list.length === count && list.every(Number.isFinite) ? list : null;
  };
  const view = numbers("view", 3) as [number, number, number] | null;
  const opacity = numbers("opacity", 1)?.[0];
  return {
    lang: one("lang", ["zh", "en"], START.lang),
    crop: one("crop", CROPS, START.crop),
    year: numbers("year", 1)?.[0] ?? null,
    layer: q.get("layer") ?? START.layer,
    opacity: opacity === undefined ? START.opacity : Math.min(1, Math.max(0, opacity)),
    view: view && { centre: [view[0], view[1]], zoom: view[2] },
    panel: one("panel", ["county", "season", "devices"], START.panel),
    county: q.get("county"),
    pixel: numbers("pixel", 2) as [number, number] | null,
    device: q.get("device"),
  };
}

/** Write a state as a query string without what equals the default. */
export function format(state: State): string {
  const q: string[] = [];
  const put = (key: string, value: string | number | null, other: unknown): void => {
    if (value !== null && value !== other)
      q.push(`${key}=${encodeURIComponent(value).replaceAll("%2C", ",")}`);
  };
  put("lang", state.lang, START.lang);
  put("crop", state.crop, START.crop);
  put("year", state.year, null);
  put("layer", state.layer, START.layer);
  put("opacity", state.opacity, START.opacity);
  if (state.view) {
    const { centre, zoom } = state.view;
    put("view", `${centre[0].toFixed(4)},${centre[1].toFixed(4)},${zoom.toFixed(2)}`, null);
  }
  put("panel", state.panel, START.panel);
  put("county", state.county, null);
  put("pixel", state.pixel && state.pixel.map((v) => v.toFixed(5)).join(","), null);
  put("device", state.device, null);
  return q.length ? `?${q.join("&")}` : "";
}

/** Why the state changed: a choice, a small adjustment, or the Back button. */
export type Cause = "go" | "adjust" | "back";
type Listener = (now: State, before: State, cause: Cause) => void;

export class Store {
  #state = parse(location.search);
  readonly #listeners: Listener[] = [];

  constructor() {
    addEventListener("popstate", () => {
      // Going back undoes a choice of data, not the language one reads.
      const next = { ...parse(location.search), lang: this.#state.lang };
      history.replaceState(null, "", location.pathname + format(next));
      this.#set(next, "back");
    });
  }

  get state(): State {
    return this.#state;
  }

  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Change the state as one step that the Back button undoes. */
  go(patch: Partial<State>): void {
    this.#write(patch, "go");
  }

  /** Change the state without a step: panning must not fill the history. */
  adjust(patch: Partial<State>): void {
    this.#write(patch, "adjust");
  }

  #write(patch: Partial<State>, cause: "go" | "adjust"): void {
    const next = { ...this.#state, ...patch };
    const how = cause === "go" ? "pushState" : "replaceState";
    history[how](null, "", location.pathname + format(next));
    this.#set(next, cause);
  }

  #set(next: State, cause: Cause): void {
    const before = this.#state;
    this.#state = next;
    for (const listener of this.#listeners) listener(next, before, cause);
  }
}
