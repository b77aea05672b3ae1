/** The card on the map: which layer is shown, how strongly, and what its colours mean. */

import type { Product } from "./api";
import { element, fill, h } from "./dom";
import { cropWord, decimals, number, t, titled } from "./i18n";
import { ramp, type Scale } from "./scale";
import type { State } from "./state";

/** Name of a product's layer in the address: it outlives a change of crop or year. */
export function layerOf(product: Product): string {
  return `${product.kind}-${product.resolution_m}m`;
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
      ...offered.map((one) => choice(layerOf(one), titled(one), one)),
    ),
    state.layer !== "county" && !product && missing(layers),
    product && opacity(layers),
    product ? continuous(product, state) : classes(layers),
  );
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
  const stops = Array.from({ length: 9 }, (_, i) => ramp(i / 8));
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
    sign("bare", t("legend.bare", { crop: cropWord(state.crop) })),
  );
}
