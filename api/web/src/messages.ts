/** Faults where everybody sees them, once, until dismissed or over. */

import { Problem } from "./api";
import { element, fill, h } from "./dom";
import { either, inLanguage, t } from "./i18n";

let shown: Problem | null = null;

/** A fault in one sentence. */
export function words(problem: Problem): string {
  return [either(problem.title), inLanguage(problem.detail)].filter(Boolean).join(t("colon"));
}

function draw(): void {
  const box = element("messages");
  if (!shown) return fill(box);
  const retry = h("button", { type: "button", onclick: () => location.reload() }, t("retry"));
  const close = h("button", { type: "button", onclick: clear }, t("close"));
  fill(box, h("p", {}, h("span", {}, words(shown)), shown.status === 0 && retry, close));
}

/** Show a fault; an aborted request is none, because its answer is no longer wanted. */
export function report(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (!(error instanceof Problem)) throw error;
  shown = error;
  draw();
  // What waited for the answer does not wait any longer.
  for (const waiting of document.querySelectorAll(".panel .loading"))
    waiting.textContent = t("failed");
}

export function clear(): void {
  shown = null;
  draw();
}

/** The server answered again: take back that it could not be reached. */
export function reached(): void {
  if (shown?.status === 0) clear();
}

export const translate = draw;
