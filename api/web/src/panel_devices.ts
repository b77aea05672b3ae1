/** Devices: the latest readings of all, and the last day of one. */

import uPlot from "uplot";

import { readings, type Device, type Reading, type Readings } from "./api";
import { axis, COLOURS, draw, valueAxis } from "./chart";
import { fill, h } from "./dom";
import { age, clock, named, number, t, term, unitSign, ZONE } from "./i18n";
import { KIND_COLOURS } from "./map_style";
import { report } from "./messages";
import { badge } from "./simulated";

export interface DevicesView {
  /** null = not read yet. */
  readonly devices: readonly Device[] | null;
  readonly selected: string | null;
  select(id: string | null): void;
  locate(): void;
}

/** A device that said nothing for so long is called silent: profiles report every few minutes. */
const SILENT_AFTER = 3600;
const DAY = 86_400_000;
// QARTOD flags.
const GOOD = 1;
const NOT_EVALUATED = 2;

function secondsSince(time: string): number {
  return Math.max(0, (Date.now() - Date.parse(time)) / 1000);
}

function fresh(device: Device): boolean {
  return device.last_seen !== null && secondsSince(device.last_seen) < SILENT_AFTER;
}

/** Draw the list, or one device. */
export function drawDevices(panel: HTMLElement, view: DevicesView, signal: AbortSignal): void {
  if (!view.devices) return fill(panel, h("p", { class: "loading" }, t("loading")));
  if (view.selected === null) return drawList(panel, view, view.devices);
  const device = view.devices.find(({ id }) => id === view.selected);
  if (device) return drawOne(panel, device, view, signal);
  fill(panel, back(view), h("p", { class: "empty" }, t("devices.unknown", { id: view.selected })));
}

function drawList(panel: HTMLElement, view: DevicesView, devices: readonly Device[]): void {
  const title = h("div", { class: "title" }, h("h2", {}, t("devices.title")));
  if (!devices.length) return fill(panel, title, h("p", { class: "empty" }, t("devices.none")));
  const kinds = [...new Set(devices.map(({ kind }) => kind))];
  const groups = kinds.map((kind) => {
    const members = devices.filter((device) => device.kind === kind);
    return h(
      "section",
      { class: "kind" },
      h("h3", {}, dot(kind), term("kind", kind), h("small", {}, ` ${members.length}`)),
      h("ul", {}, ...members.map((device) => item(device, view))),
    );
  });
  const locate = h(
    "button",
    { type: "button", "data-key": "locate", onclick: () => view.locate() },
    t("devices.locate"),
  );
  fill(
    panel,
    title,
    h("p", {}, t("devices.summary", { n: devices.length, fresh: devices.filter(fresh).length })),
    h(
      "p",
      { class: "links" },
      locate,
      h("span", { class: "muted" }, t("devices.updated", { time: clock(new Date()) })),
    ),
    unevaluated(devices.flatMap((device) => device.latest)),
    ...groups,
  );
}

function unevaluated(latest: readonly Reading[]): HTMLElement | null {
  const some = latest.some(({ flag }) => flag === NOT_EVALUATED);
  return some ? h("p", { class: "note" }, t("devices.not_evaluated")) : null;
}

function dot(kind: string): HTMLElement {
  const mark = h("i", { class: "kind-dot", "aria-hidden": "true" });
  mark.style.backgroundColor = KIND_COLOURS[kind] ?? "";
  return mark;
}

function item(device: Device, view: DevicesView): HTMLElement {
  const values = device.latest.map(value);
  const select = (): void => view.select(device.id);
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "device", "data-key": device.id, onclick: select },
      h(
        "span",
        { class: "device-head" },
        h("b", {}, named(device)),
        device.simulated && badge("simulated.short"),
        lastSeen(device),
      ),
      values.length > 0 && h("span", { class: "values" }, ...values),
    ),
  );
}

function lastSeen(device: Device): HTMLElement {
  if (device.last_seen === null) return h("span", { class: "age silent" }, t("devices.no_data"));
  const words = age(secondsSince(device.last_seen));
  if (fresh(device)) return h("span", { class: "age" }, words);
  return h("span", { class: "age silent" }, `${t("devices.stale")} · ${words}`);
}

function digits(value: number): number {
  const size = Math.abs(value);
  return size >= 100 ? 0 : size >= 1 ? 1 : 2;
}

function value(reading: Reading): HTMLElement {
  // "Not evaluated" is said once for the whole list: beside every value it would hide the bad.
  const good = reading.flag === GOOD || reading.flag === NOT_EVALUATED;
  return h(
    "span",
    { class: good ? "value" : "value flagged", title: reading.thing },
    h("span", {}, term("quantity", reading.quantity)),
    h("b", {}, `${number(reading.value, digits(reading.value))} ${unitSign(reading.unit)}`),
    !good && h("em", {}, term("flag", String(reading.flag))),
  );
}

function back(view: DevicesView): HTMLElement {
  const all = (): void => view.select(null);
  return h(
    "button",
    { type: "button", class: "back", "data-key": "back", onclick: all },
    `← ${t("devices.all")}`,
  );
}

function drawOne(panel: HTMLElement, device: Device, view: DevicesView, signal: AbortSignal): void {
  const kind = t("devices.farm", { kind: term("kind", device.kind), farm: device.farm });
  const head = h(
    "div",
    { class: "title" },
    h("h2", {}, dot(device.kind), named(device)),
    device.simulated && badge(),
  );
  const locate = h(
    "button",
    { type: "button", "data-key": "locate", onclick: () => view.locate() },
    t("devices.locate"),
  );
  const silent = device.last_seen !== null && !fresh(device);
  // The charts stay while the head is drawn again, and until newer readings are here.
  const old = panel.querySelector<HTMLElement>(".day");
  const body =
    old?.dataset["device"] === device.id
      ? old
      : h("div", { class: "day", "data-device": device.id }, t("loading"));
  fill(
    panel,
    back(view),
    head,
    h("p", { class: "muted" }, kind),
    h("p", { class: "links" }, lastSeen(device), locate),
    silent &&
      h("p", { class: "note" }, t("devices.old", { age: age(secondsSince(device.last_seen!)) })),
    body,
  );
  if (device.last_seen === null)
    return fill(body, h("p", { class: "empty" }, t("devices.no_data")));
  const shown = `${device.last_seen} ${document.documentElement.lang}`;
  if (body.dataset["shown"] === shown) return;
  // The day ends at the last reading, so that a silent device still shows what it said.
  const end = new Date(device.last_seen);
  const from = new Date(end.getTime() - DAY);
  readings(device.id, from, new Date(end.getTime() + 1000), signal)
    .then((answer) => {
      if (signal.aborted) return;
      body.dataset["shown"] = shown;
      drawDay(body, answer, from, end);
    })
    .catch(report);
}

function drawDay(body: HTMLElement, answer: Readings, from: Date, end: Date): void {
  const flagged = answer.readings.some(({ flag }) => flag === 3 || flag === 4);
  const streams = new Map<string, Reading[]>();
  for (const reading of answer.readings) {
    const key = `${reading.quantity} ${reading.thing}`;
    streams.set(key, [...(streams.get(key) ?? []), reading]);
  }
  const boxes = [...streams.values()].map((stream) => ({
    stream,
    box: h("div", { class: "chart" }),
  }));
  fill(
    body,
    unevaluated(answer.readings),
    answer.truncated && h("p", { class: "note" }, t("devices.truncated")),
    h("p", { class: "muted" }, t("devices.day")),
    ...boxes.map(({ stream, box }) => h("section", { class: "stream" }, streamHead(stream), box)),
    flagged && h("p", { class: "note" }, t("devices.flagged")),
  );
  for (const { stream, box } of boxes) drawStream(box, stream, from, end);
}

function streamHead(stream: readonly Reading[]): HTMLElement {
  const last = stream.reduce((a, b) => (b.time > a.time ? b : a));
  return h("h3", {}, value(last), h("small", {}, ` ${last.thing}`));
}

// Least span of an axis by unit, so that noise does not look like weather.
const LEAST_SPAN: Readonly<Record<string, number>> = {
  Cel: 1,
  "%": 1,
  V: 0.5,
  "m3/m3": 0.05,
  "[ppm]": 20,
};

/** An axis with the readings in its middle; what is never negative stays above zero. */
function roomy(low: number, high: number, unit: string): [number, number] {
  const least = LEAST_SPAN[unit] ?? Math.max(1, 0.1 * Math.abs(high));
  const span = 1.16 * Math.max(high - low, least);
  const bottom = (low + high - span) / 2;
  const floor = low < 0 ? bottom : Math.max(bottom, -0.08 * span);
  return [floor, floor + span];
}

function drawStream(box: HTMLElement, stream: readonly Reading[], from: Date, end: Date): void {
  const sorted = [...stream].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  const bad = sorted.map(({ flag, value }) => (flag === 3 || flag === 4 ? value : null));
  const values = sorted.map((reading) => reading.value);
  draw(
    box,
    {
      height: 116,
      padding: [8, 12, 0, 0],
      cursor: { show: false },
      scales: {
        x: { time: true, range: [from.getTime() / 1000, end.getTime() / 1000] },
        y: { range: roomy(Math.min(...values), Math.max(...values), stream[0]!.unit) },
      },
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), ZONE),
      axes: [
        axis({
          size: 26,
          space: 50,
          values: (_, splits) => splits.map((time) => clock(new Date(time * 1000))),
        }),
        valueAxis({ size: 46, space: 20 }),
      ],
      series: [
        {},
        {
          stroke: COLOURS.green,
          width: 1.6,
          points: { show: sorted.length < 3, size: 6, fill: COLOURS.green },
        },
        {
          paths: () => null,
          stroke: COLOURS.warn,
          points: { show: true, size: 7, fill: COLOURS.warn },
        },
      ],
    },
    [sorted.map(({ time }) => Date.parse(time) / 1000), values, bad],
  );
}
