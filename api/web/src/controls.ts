/** The choices in the masthead: crop, year, language. */

import { element, fill, h } from "./dom";
import { t } from "./i18n";
import { CROPS, type State, type Store } from "./state";

export function drawControls(store: Store, years: readonly number[], year: number): void {
  const { state } = store;
  fill(element("controls"), crops(store), yearChoice(store, years, year), language(state, store));
}

function crops(store: Store): HTMLElement {
  const buttons = CROPS.map((crop) =>
    h(
      "button",
      {
        type: "button",
        "data-key": crop,
        "aria-pressed": crop === store.state.crop ? "true" : "false",
        onclick: () => store.go({ crop }),
      },
      t(`crop.${crop}`),
    ),
  );
  return h("div", { class: "segments", role: "group", "aria-label": t("crop") }, ...buttons);
}

function yearChoice(store: Store, years: readonly number[], year: number): HTMLElement {
  // A year that only the address knows stays in the list: the page then says it is empty.
  const all = [...new Set([...years, year])].sort((a, b) => b - a);
  const options = all.map((one) => h("option", { value: one, selected: one === year }, `${one}`));
  const pick = (event: Event): void =>
    store.go({ year: Number((event.target as HTMLSelectElement).value) });
  return h(
    "label",
    { class: "year" },
    h("span", { class: "hidden" }, t("year")),
    h("select", { "data-key": "year", onchange: pick }, ...options),
  );
}

function language(state: State, store: Store): HTMLElement {
  const other = state.lang === "zh" ? "en" : "zh";
  return h(
    "button",
    {
      type: "button",
      class: "language",
      "data-key": "lang",
      lang: other,
      "aria-label": t("lang.label"),
      onclick: () => store.adjust({ lang: other }),
    },
    t("lang.other"),
  );
}
