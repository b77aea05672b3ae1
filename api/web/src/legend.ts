/** The card on the map: which layer is shown, how strongly, and what its colours mean. */

import type { Accuracy, Product, Share } from "./api";
import { element, fill, h } from "./dom";
import { cropWord, decimals, either, inLanguage, named, number, percent, span, t, titled } from "./i18n";
import { ramp, type Scale } from "./scale";
import type { State } from "./state";

/** Name of a product's layer in the address: it outlives a change of crop or year. */
export function layerOf(product: Product): string {
  const { kind, place, period, resolution_m } = product;
  return [kind, place, period?.[0].slice(5), `${resolution_m}m`].filter(Boolean).join("-");
}

/** Layers that differ in their dekad alone are one choice. */
function familyOf(product: Product): string {
  return layerOf({ ...product, period: null });
}

const KINDS = ["yield-map", "yield-map-uncertainty", "growth-grade", "growth-difference"];

/** Yields before growth before crops, coarse before fine, the newest dekad first. */
export function inOrder(products: readonly Product[]): Product[] {
  const order = ({ kind }: Product): number => (KINDS.includes(kind) ? KINDS.indexOf(kind) : 9);
  return [...products].sort(
    (a, b) =>
      order(a) - order(b) ||
      b.resolution_m - a.resolution_m ||
      (b.period?.[0] ?? "").localeCompare(a.period?.[0] ?? ""),
  );
}

export interface Layers {
  readonly state: State;
  readonly year: number;
  /** Products of this crop and year. */
  readonly offered: readonly Product[];
  /** The one on the map; null = the counties. */
  readonly product: Product | null;
  readonly scale: Scale;
  readonly unit: string;
  pick(layer: string, product: Product | null): void;
  setOpacity(opacity: number): void;
}

/** Draw the card. */
export function drawLegend(layers: Layers): void {
  const { state, product, offered } = layers;
  const choice = (layer: string, words: string, made: Product | null): HTMLElement => {
    const chosen = layer === state.layer;
    const pick = (): void => layers.pick(layer, made);
    const input = h("input", {
      type: "radio",
      name: "layer",
      "data-key": layer,
      checked: chosen,
      onchange: pick,
    });
    return h("label", { class: "choice" }, input, words);
  };
  fill(
    element("legend"),
    h("summary", {}, `${t("layer")} · ${t("legend.title")}`),
    h(
      "fieldset",
      {},
      h("legend", { class: "hidden" }, t("layer")),
      choice("county", t("layer.county"), null),
      ...families(offered).map((family) => {
        const one = family.find((each) => layerOf(each) === state.layer) ?? family[0]!;
        return choice(layerOf(one), nameIn(offered, one), one);
      }),
    ),
    product && dekads(layers, product),
    state.layer !== "county" && !product && missing(layers),
    product && opacity(layers),
    product ? key(product, state) : classes(layers),
    product && cautions(product),
  );
}

/** A title, with the pixel size where another layer has the same one. */
function nameIn(offered: readonly Product[], product: Product): string {
  const { resolution_m: metres } = product;
  const other = offered.some((one) => one.resolution_m !== metres && titled(one) === titled(product));
  const words = { title: titled(product), metres: number(metres, 0) };
  return other ? t("layer.sized", words) : words.title;
}

function families(products: readonly Product[]): Product[][] {
  const found = new Map<string, Product[]>();
  for (const one of products)
    found.set(familyOf(one), [...(found.get(familyOf(one)) ?? []), one]);
  return [...found.values()];
}

/** The choice of a dekad, where the layer on the map has several. */
function dekads({ offered, pick }: Layers, product: Product): HTMLElement | false {
  const alike = offered.filter((one) => familyOf(one) === familyOf(product));
  if (alike.length < 2) return false;
  const options = alike.map((one) => {
    const words = one.period ? span(...one.period) : "";
    return h("option", { value: layerOf(one), selected: one === product }, words);
  });
  const choose = (event: Event): void => {
    const layer = (event.target as HTMLSelectElement).value;
    pick(layer, alike.find((one) => layerOf(one) === layer) ?? null);
  };
  const select = h("select", { "data-key": "dekad", onchange: choose }, ...options);
  return h("label", { class: "opacity" }, t("layer.dekad"), select);
}

function key(product: Product, state: State): HTMLElement {
  return product.classes.length ? swatches(product, state) : continuous(product, state);
}

/** Names and colours of classes, and how far they can be trusted. */
function swatches(product: Product, state: State): HTMLElement {
  const rows = product.classes.map((one) => {
    const box = h("i");
    box.style.backgroundColor = one.colour;
    return h("li", {}, box, named(one));
  });
  return h(
    "div",
    {},
    h("ul", { class: "named" }, ...rows),
    sign("bare", bare(product, state)),
    product.accuracy && trust(product, product.accuracy),
  );
}

function bare({ kind }: Product, state: State): string {
  const crop = cropWord(state.crop);
  if (kind === "crop-classes") return t("legend.unclassified");
  return kind.startsWith("growth") ? t("legend.no_grade", { crop }) : t("legend.bare", { crop });
}

function between({ value, lower, upper }: Share): string {
  if (value === null) return "–";
  if (lower === null || upper === null) return percent(value);
  return `${percent(value)} (${number(100 * lower, 0)}–${percent(upper)})`;
}

/** The accuracy that a map of crops is published with. */
function trust(product: Product, accuracy: Accuracy): HTMLElement {
  const { overall, n, years, classes: names, users, producers } = accuracy;
  const words = new Map(product.classes.map((one) => [one.name, one]));
  const rows = names.flatMap((name, i) => {
    const one = words.get(name);
    if (!one) return [];
    const cells = [users[i]!, producers[i]!].map((share) => h("td", {}, between(share)));
    return [h("tr", {}, h("th", {}, named(one)), ...cells)];
  });
  const head = h(
    "tr",
    {},
    h("th", {}),
    h("th", {}, t("accuracy.users")),
    h("th", {}, t("accuracy.producers")),
  );
  const how = { method: inLanguage(accuracy.method), n, years: years.join(t("list")) };
  return h(
    "details",
    { class: "accuracy" },
    h("summary", {}, t("accuracy.overall", { share: between(overall) })),
    h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)),
    h("p", { class: "note" }, t("accuracy.how", how)),
    h("p", { class: "note" }, t(accuracy.independent ? "accuracy.independent" : "accuracy.own")),
  );
}

/** What a reader of the map has to know. */
function cautions({ warnings }: Product): HTMLElement | false {
  const lines = warnings.map((one) => h("li", {}, either(one)));
  return lines.length > 0 && h("ul", { class: "cautions" }, ...lines);
}

function missing({ state, year }: Layers): HTMLElement {
  const crop = cropWord(state.crop);
  return h("p", { class: "note", role: "status" }, t("layer.none", { crop, year }));
}

function opacity({ state, setOpacity }: Layers): HTMLElement {
  const slider = h("input", {
    type: "range",
    "data-key": "opacity",
    min: 0,
    max: 1,
    step: 0.05,
    value: state.opacity,
    oninput: (event) => setOpacity(Number((event.target as HTMLInputElement).value)),
  });
  return h("label", { class: "opacity" }, t("layer.opacity"), slider);
}

function caption(state: State, unit: string): HTMLElement {
  const crop = t(`crop.${state.crop}`);
  return h("p", { class: "caption" }, t("legend.unit", { crop, unit }));
}

function classes({ state, scale, unit }: Layers): HTMLElement {
  const boxes = scale.colours.map((colour) => {
    const box = h("i");
    box.style.backgroundColor = colour;
    return box;
  });
  const digits = decimals(scale.breaks[1]! - scale.breaks[0]!);
  const words = scale.breaks.map((value) => number(value, digits));
  return h(
    "div",
    {},
    caption(state, unit),
    h("div", { class: "classes" }, ...boxes),
    // The end classes are open: nothing stands below the two ends of the bar.
    marks(["", ...words, ""]),
    sign("hatched", t("legend.missing")),
  );
}

/** What a patch that is no colour of the scale means. */
function sign(look: string, words: string): HTMLElement {
  return h("p", { class: "absent" }, h("i", { class: look }), words);
}

/** Numbers below a bar, evenly spaced, each centred on its place but for the two ends. */
function marks(words: readonly string[]): HTMLElement {
  const spans = words.map((word, i) => {
    const span = h("span", {}, word);
    const share = (100 * i) / (words.length - 1);
    span.style.left = `${share}%`;
    if (i > 0) span.style.transform = `translateX(-${i < words.length - 1 ? 50 : 100}%)`;
    return span;
  });
  return h("div", { class: "marks" }, ...spans);
}

function continuous(product: Product, state: State): HTMLElement {
  const [low, high] = product.range;
  const bar = h("div", { class: "bar" });
  const stops = Array.from({ length: 11 }, (_, i) => ramp(i / 10, product.colormap));
  bar.style.backgroundImage = `linear-gradient(90deg, ${stops.join(", ")})`;
  const shares = [0, 0.25, 0.5, 0.75, 1];
  const digits = decimals((high - low) / 4);
  const words = shares.map((share) => number(low + share * (high - low), digits));
  return h(
    "div",
    {},
    h("p", { class: "caption" }, `${titled(product)} · ${product.unit}`),
    bar,
    marks(words),
    sign("bare", bare(product, state)),
  );
}
