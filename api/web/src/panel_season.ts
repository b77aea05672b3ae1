/** The season of one pixel: observations, composites, smoothed curve, phenology. */

import uPlot from "uplot";

import { point, Problem, season, type PointValue, type Product, type Season } from "./api";
import { axis, COLOURS, draw, marker, valueAxis } from "./chart";
import { facts, fill, h } from "./dom";
import { day, month, named, number, t, titled, type Key } from "./i18n";
import { report, words } from "./messages";
import { badge, mark } from "./simulated";
import type { LonLat } from "./state";

export interface SeasonView {
  readonly pixel: LonLat | null;
  readonly year: number;
  /** The map whose value is read at the pixel; null = none. */
  readonly product: Product | null;
  choose(pixel: LonLat): void;
}

/** Draw the panel; the last call wins over answers that are still on their way. */
export function drawSeason(panel: HTMLElement, view: SeasonView, signal: AbortSignal): void {
  const title = h("div", { class: "title" }, h("h2", {}, t("season.title")));
  const { pixel, product } = view;
  if (!pixel)
    return fill(panel, title, h("p", { class: "empty" }, t("season.hint")), position(view));
  const body = h("div", { class: "loading" }, t("loading"));
  fill(panel, title, body, position(view));
  const value = product ? point(product, pixel, signal) : Promise.resolve(null);
  Promise.all([season(pixel, view.year, signal), value])
    .then(([curve, yielded]) => {
      if (signal.aborted) return;
      mark("panel", curve.simulated);
      if (curve.simulated) title.append(badge());
      drawCurve(body, curve, valueOf(product, yielded));
    })
    .catch((error: unknown) => {
      if (signal.aborted) return;
      // "Nothing is known here" belongs where the curve would be; other faults go on top.
      const here = error instanceof Problem && error.status >= 400 && error.status < 500;
      fill(body, here && h("p", { class: "empty", role: "status" }, words(error)));
      if (!here) report(error);
    });
}

/** A form, so that a pixel can be chosen without a pointing device. */
function position(view: SeasonView): HTMLElement {
  const field = (name: string, words: string, value: number | undefined): HTMLElement => {
    const input = h("input", {
      name,
      type: "number",
      step: "any",
      required: true,
      "data-key": name,
      value: value === undefined ? "" : value.toFixed(5),
    });
    return h("label", {}, words, input);
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    view.choose([Number(form.get("lon")), Number(form.get("lat"))]);
  };
  return h(
    "form",
    { class: "position", onsubmit: submit },
    h("p", {}, t("season.enter")),
    field("lon", t("season.lon"), view.pixel?.[0]),
    field("lat", t("season.lat"), view.pixel?.[1]),
    h("button", { type: "submit" }, t("season.show")),
  );
}

type Row = readonly [name: string, value: string];

function drawCurve(body: HTMLElement, curve: Season, value: Row | null): void {
  body.className = "";
  const place = h(
    "header",
    { class: "place" },
    h(
      "p",
      { class: "lonlat" },
      t("season.pixel", { lon: number(curve.lon, 5), lat: number(curve.lat, 5) }),
    ),
    h(
      "p",
      {},
      t("season.pixel_size", {
        year: curve.year,
        metres: number(curve.resolution_m, 0),
        collection: curve.collection,
      }),
    ),
  );
  if (curve.status !== "ok")
    return fill(body, place, h("p", { class: "empty", role: "status" }, t("season.unclear")));
  const chart = h("div", { class: "chart" });
  const readout = h("p", { class: "readout" }, "\u00a0");
  fill(body, place, h("h3", {}, t("season.chart")), readout, chart, key(), numbers(curve, value));
  drawChart(chart, readout, curve);
}

function key(): HTMLElement {
  return h(
    "p",
    { class: "key" },
    h("span", { class: "dot" }, t("season.observed")),
    h("span", { class: "ring" }, t("season.composite")),
    h("span", { class: "line" }, t("season.smooth")),
  );
}

const NAMES: Readonly<Record<string, Key>> = {
  "yield-map": "season.yield",
  "yield-map-uncertainty": "season.uncertainty",
  "growth-grade": "season.grade",
  "growth-difference": "season.growth_difference",
  "crop-classes": "season.crop",
};

/** What the map on the screen says of the pixel. */
function valueOf(product: Product | null, found: PointValue | null): Row | null {
  if (!product || !found) return null;
  const name = NAMES[product.kind];
  const words = name ? t(name) : titled(product);
  const { value, unit, name_zh, name_en } = found;
  if (value === null) return [words, t("season.no_yield")];
  if (name_zh !== null && name_en !== null) return [words, named({ name_zh, name_en })];
  return [words, `${number(value)} ${unit}`];
}

function numbers(curve: Season, value: Row | null): HTMLElement {
  const date = (iso: string | null): string => (iso ? day(iso) : t("season.not_found"));
  const { sos, eos, peak, integral } = curve;
  const length =
    sos && eos
      ? t("season.days", { days: Math.round(seconds(eos) - seconds(sos)) / 86_400 })
      : t("season.not_found");
  const clear = curve.clear_count.reduce((sum, count) => sum + count, 0);
  const rows: Row[] = [
    [t("season.sos"), date(sos)],
    [t("season.pos"), date(curve.pos)],
    [t("season.eos"), date(eos)],
    [t("season.length"), length],
    [t("season.peak"), peak === null ? t("season.not_found") : number(peak)],
    [
      t("season.integral"),
      integral === null
        ? t("season.not_found")
        : t("season.ndvi_days", { value: number(integral, 1) }),
    ],
    [t("season.clear_total"), `${clear}`],
  ];
  if (value) rows.unshift(value);
  return facts(rows);
}

const seconds = (iso: string): number => Date.parse(iso) / 1000;

/** One time axis for dekads and single dates: [times, observations, composites, smoothed]. */
function aligned(curve: Season): uPlot.AlignedData {
  const dekads = curve.centres.map(seconds);
  return uPlot.join([
    [
      curve.observations.map(({ date }) => seconds(date)),
      curve.observations.map(({ ndvi }) => ndvi),
    ],
    [dekads, [...curve.ndvi]],
    [dekads, [...curve.ndvi_smooth]],
  ]);
}

function drawChart(box: HTMLElement, readout: HTMLElement, curve: Season): void {
  const data = aligned(curve);
  const dots = (size: number, fillColour: string, stroke: string): uPlot.Series => ({
    paths: () => null,
    points: { show: true, size, fill: fillColour, stroke, width: 1.5 },
  });
  draw(
    box,
    {
      height: 230,
      padding: [18, 10, 0, 0],
      cursor: { y: false, points: { show: false } },
      scales: {
        x: { time: true },
        y: { range: (_, low, high) => [Math.min(0, low), Math.max(1, high)] },
      },
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "UTC"),
      axes: [
        axis({
          size: 28,
          space: 36,
          incrs: [30 * 86_400],
          splits: months,
          values: (_, splits) => splits.map(month),
        }),
        valueAxis({ size: 38 }),
      ],
      series: [
        {},
        dots(6, COLOURS.soil, COLOURS.soil),
        dots(8, "#fdfcf7", COLOURS.leaf),
        { stroke: COLOURS.green, width: 2.2, spanGaps: true, points: { show: false } },
      ],
      hooks: {
        draw: [(plot) => phenology(plot, curve)],
        setCursor: [(plot) => read(plot, readout, curve)],
      },
    },
    data,
  );
}

/** First days of the months in view. */
function months(_: uPlot, __: number, low: number, high: number): number[] {
  const start = new Date(low * 1000);
  const firsts: number[] = [];
  for (let step = 0; step < 24; step++) {
    const at = Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + step, 1) / 1000;
    if (at > high) break;
    if (at >= low) firsts.push(at);
  }
  return firsts;
}

function phenology(plot: uPlot, curve: Season): void {
  const marks = [
    [curve.sos, t("season.sos_short")],
    [curve.pos, t("season.pos_short")],
    [curve.eos, t("season.eos_short")],
  ] as const;
  for (const [date, words] of marks) if (date) marker(plot, seconds(date), words, COLOURS.warn);
}

/** Put the values below the cursor into words. */
function read(plot: uPlot, readout: HTMLElement, curve: Season): void {
  const at = plot.cursor.idx;
  const time = at == null ? undefined : plot.data[0][at];
  if (at == null || time === undefined) return void (readout.textContent = "\u00a0");
  const iso = new Date(time * 1000).toISOString().slice(0, 10);
  const parts = [day(iso, true)];
  const names = ["season.observed", "season.composite", "season.smooth"] as const;
  names.forEach((name, i) => {
    const value = plot.data[i + 1]?.[at];
    if (value != null) parts.push(`${t(name)} ${number(value)}`);
  });
  const count = curve.clear_count[curve.centres.indexOf(iso)];
  if (count !== undefined) parts.push(`${t("season.clear")} ${count}`);
  readout.textContent = parts.join(" · ");
}
