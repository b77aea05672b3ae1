/** The history of one estimate: every issue, what it said, and why it changed. */

import type uPlot from "uplot";

import { href, type Issue } from "./api";
import { axis, COLOURS, draw, valueAxis, whisker } from "./chart";
import { fill, h } from "./dom";
import { day, dayOf, either, inLanguage, number, percent, signed, t, term } from "./i18n";
import { badge } from "./simulated";

/** More issues than this are listed, but only the last ones drawn. */
const DRAWN = 24;

/** Draw chart and list of a county's issues into a box that is on the page. */
export function drawIssues(box: HTMLElement, issued: readonly Issue[]): void {
  const simulated = issued.some((one) => one.simulated) && badge();
  const title = h("div", { class: "title" }, h("h3", {}, t("issues.title")), simulated);
  if (!issued.length) return fill(box, title, h("p", { class: "empty" }, t("issues.none")));
  const chart = h("div", { class: "chart" });
  const drawn = issued.filter(({ value }) => value !== null).slice(-DRAWN);
  fill(
    box,
    title,
    drawn.length > 0 && chart,
    drawn.length > 0 && key(drawn),
    h(
      "details",
      { class: "table" },
      h("summary", {}, t("issues.all", { n: issued.length })),
      h("p", { class: "note" }, t("issues.list_hint")),
      h("ol", { class: "issue-list" }, ...[...issued].reverse().map(line)),
    ),
  );
  if (drawn.length) drawChart(chart, drawn);
}

function key(drawn: readonly Issue[]): HTMLElement {
  const some = (pick: (one: Issue) => unknown): boolean => drawn.some((one) => pick(one) !== null);
  return h(
    "p",
    { class: "key" },
    h("span", { class: "interval-key" }, t("issues.estimate")),
    some(({ trend }) => trend) && h("span", { class: "dashed" }, t("issues.trend")),
    some(({ mean5 }) => mean5) && h("span", { class: "dotted" }, t("issues.mean5")),
    drawn.some(({ status }) => status === "final") &&
      h("span", { class: "diamond" }, t("issues.final")),
  );
}

/** What an issue is known by: the last day of its data, which older ones do not know. */
function headOf(one: Issue): string {
  if (one.as_of) return t("issues.as_of", { day: day(one.as_of) });
  return one.status === "final" ? t("issues.final") : t("county.estimate");
}

function line(one: Issue): HTMLElement {
  const value = one.value === null ? t("county.missing_value") : `${number(one.value)} ${one.unit}`;
  const { lower, upper, interval, difference } = one;
  const bounds =
    lower !== null && upper !== null && interval !== null
      ? t("county.interval", {
          interval: percent(interval),
          lower: number(lower),
          upper: number(upper),
        })
      : null;
  const told = [
    difference === null || difference === 0
      ? null
      : t("issues.difference", { change: signed(difference) }),
    ...one.changes.map(either),
    one.reason && inLanguage(one.reason),
  ];
  return h(
    "li",
    {},
    h(
      "p",
      { class: "head" },
      h("b", {}, headOf(one)),
      h("span", { class: "chip" }, term("status", one.status)),
    ),
    h("p", {}, h("b", {}, value), bounds && h("span", { class: "muted" }, ` ${bounds}`)),
    h("p", { class: "muted" }, told.filter(Boolean).join(t("issues.and"))),
    h(
      "p",
      { class: "links" },
      h("span", { class: "muted" }, t("issues.issued", { time: dayOf(new Date(one.issued_at)) })),
      h("a", { href: href(`runs/${one.run_id}`) }, t("county.run", { id: one.run_id.slice(0, 8) })),
    ),
  );
}

function drawChart(box: HTMLElement, drawn: readonly Issue[]): void {
  // One place an issue: several can be of one day, and a season has few of them.
  const places = drawn.map((_, i) => i);
  const pick = (value: (one: Issue) => number | null): (number | null)[] => drawn.map(value);
  const all = drawn
    .flatMap(({ value, lower, upper, trend, mean5 }) => [value, lower, upper, trend, mean5])
    .filter((value) => value !== null);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const room = 0.12 * (high - low || 1);
  const label = (place: number): string => {
    const one = drawn[place];
    if (!one) return "";
    if (one.as_of) return day(one.as_of);
    return one.status === "final" ? t("issues.final_short") : "–";
  };
  const dots = (colour: string): uPlot.Series => ({
    paths: () => null,
    points: { show: true, size: 9, fill: colour, stroke: colour },
  });
  const baseline = (dash: number[]): uPlot.Series => ({
    stroke: COLOURS.soil,
    width: 1.5,
    dash,
    points: { show: drawn.length === 1, size: 5, fill: COLOURS.soil },
  });
  draw(
    box,
    {
      height: 170,
      padding: [8, 8, 0, 0],
      cursor: { show: false },
      scales: {
        x: { time: false, range: [-0.5, drawn.length - 0.5] },
        y: { range: [Math.max(0, low - room), high + room] },
      },
      axes: [
        axis({
          size: 28,
          incrs: [1, 2, 5, 10],
          space: 52,
          grid: { show: false },
          values: (_, splits) =>
            splits.map((place) => (Number.isInteger(place) ? label(place) : "")),
        }),
        valueAxis({ size: 40 }),
      ],
      series: [
        {},
        baseline([6, 4]),
        baseline([2, 3]),
        dots(COLOURS.green),
        dots(COLOURS.warn),
      ],
      hooks: {
        draw: [
          (plot) =>
            drawn.forEach(({ lower, upper }, i) => {
              if (lower !== null && upper !== null)
                whisker(plot, i, lower, upper, COLOURS.green);
            }),
        ],
      },
    },
    [
      places,
      pick(({ trend }) => trend),
      pick(({ mean5 }) => mean5),
      pick(({ status, value }) => (status === "final" ? null : value)),
      pick(({ status, value }) => (status === "final" ? value : null)),
    ],
  );
}
