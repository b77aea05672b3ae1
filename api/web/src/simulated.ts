/** Simulated data is marked where it is shown and, once, across the whole page. */

import { element, h } from "./dom";
import { t, type Key } from "./i18n";

export type Part = "platform" | "estimates" | "layer" | "panel" | "devices";

const parts = new Set<Part>();

export function badge(words: Key = "simulated"): HTMLElement {
  return h("span", { class: "badge" }, t(words));
}

/** Tell whether what this part shows now is simulated; the banner follows. */
export function mark(part: Part, simulated: boolean): void {
  if (simulated) parts.add(part);
  else parts.delete(part);
  const banner = element("simulated");
  banner.hidden = parts.size === 0;
  banner.textContent = banner.hidden ? "" : t("simulated.banner");
}
