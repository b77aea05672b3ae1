/** Counties: the ranking of a crop and year, and one county with its history. */

import type uPlot from "uplot";

import {
  bulletins,
  growth,
  harvest,
  href,
  issues,
  statistics,
  type County,
  type Estimate,
  type Statistic,
} from "./api";
import { axis, COLOURS, draw, valueAxis, whisker } from "./chart";
import { facts, fill, h } from "./dom";
import {
  cropWord,
  day,
  dayOf,
  inLanguage,
  listName,
  named,
  number,
  percent,
  prefecture,
  signedPercent,
  t,
  term,
} from "./i18n";
import { report } from "./messages";
import { drawGrowth } from "./panel_growth";
import { drawHarvest } from "./panel_harvest";
import { drawIssues } from "./panel_issues";
import type { Scale } from "./scale";
import { badge, mark } from "./simulated";
import type { Crop } from "./state";

export interface CountyView {
  readonly crop: Crop;
  readonly year: number;
  /** Years that have estimates of the crop. */
  readonly years: readonly number[];
  readonly counties: readonly County[];
  /** Estimates of the crop and year, by county. */
  readonly estimates: ReadonlyMap<string, Estimate>;
  readonly scale: Scale;
  readonly selected: string | null;
  select(code: string | null): void;
}

type Valued = Estimate & { readonly value: number };

function ranked(view: CountyView): readonly Valued[] {
  const valued = [...view.estimates.values()].filter((one): one is Valued => one.value !== null);
  return valued.sort((a, b) => b.value - a.value);
}

function csvLink(query: Record<string, string | number>): HTMLElement {
  return h(
    "a",
    { href: href("estimates", { ...query, f: "csv" }), download: true },
    t("county.csv"),
  );
}

/** Draw the panel; the last call wins over answers that are still on their way. */
export function drawCounty(panel: HTMLElement, view: CountyView, signal: AbortSignal): void {
  const code = view.selected;
  if (code === null) return drawRanking(panel, view);
  const county = view.counties.find((one) => one.code === code);
  if (!county) {
    if (view.counties.length)
      fill(panel, backTo(view), h("p", { class: "empty" }, t("county.unknown", { code })));
    return;
  }
  const chart = h("div", { class: "loading" }, t("loading"));
  const brought = h("section", { class: "harvest" });
  const told = h("section", { class: "issues" });
  const grown = h("section", { class: "growth" });
  fill(panel, backTo(view), heading(county), ...figures(view, code), brought, grown, told, chart);
  const asked = [
    statistics(view.crop, code, signal),
    issues(view.crop, view.year, code, signal),
    growth(view.crop, view.year, code, signal),
    bulletins(view.crop, view.year, code, signal),
    harvest("production", view.crop, view.year, code, signal),
    harvest("area", view.crop, view.year, code, signal),
  ] as const;
  Promise.all(asked)
    .then(([rows, issued, graded, written, production, area]) => {
      if (signal.aborted) return;
      mark(
        "panel",
        [...rows, ...issued, ...graded, production, area].some((one) => one?.simulated),
      );
      drawHarvest(brought, { production, area });
      drawGrowth(grown, { county: code, crop: view.crop, growth: graded, bulletins: written });
      drawIssues(told, issued);
      drawHistory(chart, view, rows);
    })
    .catch(report);
}

function noEstimates({ crop, year, years }: CountyView): HTMLElement {
  const words = { crop: cropWord(crop), year, years: years.join(t("list")) };
  if (!years.length) return h("p", { class: "empty" }, t("county.none_at_all", words));
  return h("p", { class: "empty" }, t("county.none", words), " ", t("county.none_years", words));
}

function title(view: CountyView): HTMLElement {
  const words = { year: view.year, crop: t(`crop.${view.crop}`) };
  const simulated = [...view.estimates.values()].some((one) => one.simulated);
  return h("div", { class: "title" }, h("h2", {}, t("county.title", words)), simulated && badge());
}

function drawRanking(panel: HTMLElement, view: CountyView): void {
  const list = ranked(view);
  if (!list.length) return fill(panel, title(view), noEstimates(view));
  const [first, last] = [list[0]!, list[list.length - 1]!];
  const top = Math.max(...list.map((one) => one.upper ?? one.value));
  const names = new Map(view.counties.map((one) => [one.code, listName(one)]));
  const rows = list.map((one, i) =>
    row(one, i + 1, top, names.get(one.county) ?? one.county, view),
  );
  const interval = percent(list.find((one) => one.interval !== null)?.interval ?? 0.8);
  fill(
    panel,
    title(view),
    facts([
      [t("county.median"), `${number(median(list.map((one) => one.value)))} ${first.unit}`],
      [t("county.range"), `${number(last.value)} – ${number(first.value)}`],
      [t("county.count"), t("county.of", { n: list.length, all: view.counties.length })],
    ]),
    h(
      "div",
      { class: "subtitle-row" },
      h("h3", {}, t("county.ranking")),
      h("span", {}, t("county.ranking_hint", { interval })),
    ),
    h("ol", { class: "ranking" }, ...rows, ...withoutValue(view, names)),
    h("p", { class: "links" }, csvLink({ crop: view.crop, year: view.year })),
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function row(one: Valued, rank: number, top: number, name: string, view: CountyView): HTMLElement {
  const share = (value: number): string => `${(100 * value) / top}%`;
  const bar = h("i", { class: "fill" });
  bar.style.width = share(one.value);
  bar.style.backgroundColor = view.scale.colour(one.value);
  const line = h("i", { class: "whisker" });
  line.style.left = share(one.lower ?? one.value);
  line.style.width = share((one.upper ?? one.value) - (one.lower ?? one.value));
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", "data-key": one.county, onclick: () => view.select(one.county) },
      h("span", { class: "rank" }, `${rank}`),
      h("span", { class: "name", title: name }, name),
      h("span", { class: "track", "aria-hidden": "true" }, bar, line),
      h("span", { class: "value" }, number(one.value)),
    ),
  );
}

function withoutValue(view: CountyView, names: ReadonlyMap<string, string>): HTMLElement[] {
  const missing = view.counties.filter(
    (one) => (view.estimates.get(one.code)?.value ?? null) === null,
  );
  return missing.map(({ code }) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", "data-key": code, onclick: () => view.select(code) },
        h("span", { class: "rank" }, "–"),
        h("span", { class: "name" }, names.get(code) ?? code),
        h("span", { class: "track hatched", "aria-hidden": "true" }),
        h("span", { class: "value muted" }, t("status.missing")),
      ),
    ),
  );
}

function backTo(view: CountyView): HTMLElement {
  const back = (): void => view.select(null);
  return h(
    "button",
    { type: "button", class: "back", "data-key": "back", onclick: back },
    `← ${t("county.all")}`,
  );
}

function heading(county: County): HTMLElement {
  const words = { prefecture: prefecture(county), code: county.code };
  return h(
    "header",
    { class: "place" },
    h("h2", {}, named(county)),
    h("p", {}, t("county.code", words)),
  );
}

function figures(view: CountyView, code: string): HTMLElement[] {
  const one = view.estimates.get(code);
  if (!one && !view.estimates.size) return [title(view), noEstimates(view)];
  const crop = cropWord(view.crop);
  if (!one) return [title(view), h("p", { class: "empty" }, t("county.no_crop", { crop }))];
  const links = h(
    "p",
    { class: "links" },
    h("a", { href: href(`runs/${one.run_id}`) }, t("county.run", { id: one.run_id.slice(0, 8) })),
    csvLink({ crop: view.crop, year: view.year, county: code }),
    h("span", { class: "muted" }, t("county.issued", { time: dayOf(new Date(one.issued_at)) })),
  );
  return [title(view), one.value === null ? absent(one) : figure(one as Valued, view), links];
}

function absent(one: Estimate): HTMLElement {
  const reason = one.reason && t("county.reason", { reason: inLanguage(one.reason) });
  return h(
    "div",
    { class: "figure" },
    h("p", { class: "big none" }, h("i", { class: "hatched" }), t("county.missing_value")),
    reason && h("p", { class: "note" }, reason),
  );
}

/** "80 % interval 7.6 – 8.8", null without one. */
export function intervalOf({ interval, lower, upper }: Estimate): string | null {
  if (lower === null || upper === null || interval === null) return null;
  const words = { interval: percent(interval), lower: number(lower), upper: number(upper) };
  return t("county.interval", words);
}

function figure(one: Valued, view: CountyView): HTMLElement {
  const list = ranked(view);
  const rank = list.findIndex(({ county }) => county === one.county) + 1;
  return h(
    "div",
    { class: "figure" },
    h("p", { class: "big" }, number(one.value), h("small", {}, ` ${one.unit}`)),
    h(
      "p",
      { class: "interval" },
      intervalOf(one) !== null && h("span", {}, intervalOf(one)),
      h("span", { class: "chip" }, term("status", one.status)),
    ),
    h("p", {}, t("county.rank", { rank, of: list.length })),
    one.as_of && h("p", { class: "muted" }, asOf(one.as_of, one.lead_days)),
    one.source &&
      h("p", { class: "note" }, t("county.final_source", { source: inLanguage(one.source) })),
    beside(one),
    one.reason && h("p", { class: "note" }, t("county.note", { reason: inLanguage(one.reason) })),
  );
}

/** "Data up to 31 Aug 2026 (30 days before harvest)". */
function asOf(iso: string, days: number | null): string {
  const lead = days ? t("county.lead", { days }) : t("county.lead_none");
  return t("county.as_of", { day: day(iso, true), lead });
}

/** What the estimate has to beat, and whether such estimates did in past years. */
function beside(one: Estimate): HTMLElement {
  const rows: [string, string][] = [];
  if (one.trend !== null) rows.push([t("county.trend"), `${number(one.trend)} ${one.unit}`]);
  if (one.mean5 !== null) rows.push([t("county.mean5"), `${number(one.mean5)} ${one.unit}`]);
  const [model, trend, mean] = [one.rmse, one.rmse_trend, one.rmse_mean5].map((value) =>
    value === null ? "–" : number(value),
  );
  const errors =
    one.rmse !== null && t("county.past_errors", { model: model!, trend: trend!, mean: mean! });
  return h("div", {}, rows.length > 0 && facts(rows), errors && h("p", { class: "note" }, errors));
}

type Known = Statistic & { readonly yield_t_ha: number };

function drawHistory(box: HTMLElement, view: CountyView, rows: readonly Statistic[]): void {
  const known = rows
    .filter((one): one is Known => one.yield_t_ha !== null)
    .sort((a, b) => a.year - b.year);
  box.className = "";
  if (!known.length) return fill(box, h("p", { class: "empty" }, t("county.no_history")));
  const one = view.estimates.get(view.selected!);
  const chart = h("div", { class: "chart" });
  fill(
    box,
    against(one, known),
    h("h3", {}, t("county.history", { unit: "t/ha" })),
    chart,
    h(
      "p",
      { class: "key" },
      h("span", { class: "dot" }, t("county.statistic")),
      one?.value != null && h("span", { class: "interval-key" }, t("county.estimate")),
    ),
    table(known),
  );
  drawChart(chart, known, one);
}

function against(one: Estimate | undefined, known: readonly Known[]): HTMLElement | null {
  const past = known.filter(({ year }) => one && year < one.year && year >= one.year - 5);
  if (one?.value == null || past.length < 5) return null;
  const mean = past.reduce((sum, { yield_t_ha }) => sum + yield_t_ha, 0) / past.length;
  return h(
    "p",
    { class: "against" },
    t("county.against", { change: signedPercent(one.value / mean - 1) }),
  );
}

function table(known: readonly Known[]): HTMLElement {
  const lines = known.map((one) =>
    h("tr", {}, h("th", { scope: "row" }, `${one.year}`), h("td", {}, number(one.yield_t_ha))),
  );
  const sources = [...new Set(known.map((one) => inLanguage(one.source)))].join(t("list"));
  return h(
    "details",
    { class: "table" },
    h("summary", {}, t("county.table"), known.some((one) => one.simulated) && badge()),
    h("table", {}, h("tbody", {}, ...lines)),
    h("p", { class: "note" }, t("county.source", { source: sources })),
  );
}

function drawChart(box: HTMLElement, known: readonly Known[], one: Estimate | undefined): void {
  const years = [...new Set([...known.map(({ year }) => year), ...(one ? [one.year] : [])])].sort();
  const past = new Map(known.map(({ year, yield_t_ha }) => [year, yield_t_ha]));
  const now = years.map((year) => (year === one?.year ? one.value : null));
  const bounds = (one ? [one.lower, one.upper] : []).filter((value) => value !== null);
  const all = [...past.values(), ...now.filter((value) => value !== null), ...bounds];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const room = 0.12 * (high - low || 1);
  const points = (fillColour: string, size: number): uPlot.Series.Points => ({
    show: true,
    size,
    fill: fillColour,
  });
  draw(
    box,
    {
      height: 190,
      padding: [8, 8, 0, 0],
      cursor: { show: false },
      scales: {
        x: { time: false, range: [years[0]! - 0.5, years[years.length - 1]! + 0.5] },
        y: { range: [Math.max(0, low - room), high + room] },
      },
      axes: [
        axis({
          size: 28,
          incrs: [1, 2, 5],
          space: 34,
          grid: { show: false },
          values: (_, splits) => splits.map((year) => (Number.isInteger(year) ? `${year}` : "")),
        }),
        valueAxis({ size: 40 }),
      ],
      series: [
        {},
        { stroke: COLOURS.soil, width: 1.5, points: points(COLOURS.soil, 6) },
        { stroke: COLOURS.green, points: points(COLOURS.green, 10) },
      ],
      hooks: {
        draw: [
          (plot) => {
            if (one?.lower != null && one.upper !== null)
              whisker(plot, one.year, one.lower, one.upper, COLOURS.green);
          },
        ],
      },
    },
    [years, years.map((year) => past.get(year) ?? null), now],
  );
}
