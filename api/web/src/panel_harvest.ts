/** How much a county will harvest: production and area, with their intervals. */

import type { Estimate } from "./api";
import { facts, fill, h } from "./dom";
import { inLanguage, language, number, percent, t } from "./i18n";
import { badge } from "./simulated";

/** Yearbooks count 万吨 and 千公顷, English readers thousands of both. */
function size(one: Estimate): number {
  return kind(one) === "t" && language() === "zh" ? 10_000 : 1000;
}

export interface Harvest {
  readonly production: Estimate | undefined;
  readonly area: Estimate | undefined;
}

/** Draw nothing where neither is known: the yields then say why. */
export function drawHarvest(box: HTMLElement, { production, area }: Harvest): void {
  const known = [production, area].filter((one) => one !== undefined);
  if (!known.length) return fill(box);
  const made = production ?? area!;
  fill(
    box,
    h("h3", {}, t("harvest.title"), known.some((one) => one.simulated) && badge()),
    facts(known.map((one) => [name(one), said(one)])),
    h("p", { class: "note" }, ...[basis(area ?? made), why(made)].filter((one) => one !== null)),
  );
}

function name(one: Estimate): string {
  return kind(one) === "t" ? t("harvest.production") : t("harvest.area");
}

function kind(one: Estimate): "t" | "ha" {
  return one.unit === "ha" ? "ha" : "t";
}

/** "151.2 万吨（80% 区间 130.1 – 174.9）". */
function said(one: Estimate): string {
  if (one.value === null) return t("county.missing_value");
  const shown = (amount: number): string => number(amount / size(one), 1);
  const value = `${shown(one.value)} ${kind(one) === "t" ? t("harvest.unit_t") : t("harvest.unit_ha")}`;
  if (one.lower === null || one.upper === null || one.interval === null) return value;
  return t("harvest.bounded", {
    value,
    interval: percent(one.interval),
    lower: shown(one.lower),
    upper: shown(one.upper),
  });
}

function basis(one: Estimate): string | null {
  if (one.area_source === null) return null;
  const source = sourceWord(one.area_source);
  if (one.unit !== "ha" || one.se === null) return t("harvest.source", { source });
  return t("harvest.source_se", { source, se: number(one.se / size(one), 1) });
}

function sourceWord(source: NonNullable<Estimate["area_source"]>): string {
  if (source === "survey") return t("harvest.survey");
  return source === "statistics" ? t("harvest.statistics") : t("harvest.both");
}

function why(one: Estimate): string | null {
  return one.value === null && one.reason
    ? t("county.reason", { reason: inLanguage(one.reason) })
    : null;
}
