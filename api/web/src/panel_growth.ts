/** Growth of a county: its grade this dekad, why, the dekads before, and its bulletins. */

import { href, samePlace, type Bulletin, type Growth } from "./api";
import { fill, h } from "./dom";
import { day, either, language, number, percent, signed, span, t } from "./i18n";
import { badge } from "./simulated";
import type { Crop } from "./state";

/** Of the grades 1 to 5: those of the map and of the bulletin. */
const GRADE_COLOURS = ["#b2182b", "#ef8a62", "#f7e9a0", "#91cf60", "#1a7837"] as const;

export interface GrowthView {
  readonly county: string;
  readonly crop: Crop;
  /** Dekads of the year, the first one first. */
  readonly growth: readonly Growth[];
  /** Of the year, the newest first. */
  readonly bulletins: readonly Bulletin[];
}

/** Draw the section into a box that is on the page. */
export function drawGrowth(box: HTMLElement, view: GrowthView): void {
  const now = view.growth[view.growth.length - 1];
  const title = h(
    "div",
    { class: "title" },
    h("h3", {}, t("growth.title")),
    view.growth.some((one) => one.simulated) && badge(),
  );
  const { county, crop } = view;
  const none = (): HTMLElement => h("p", { class: "empty" }, t("growth.none", { county, crop }));
  fill(box, title, ...(now ? told(now, view) : [none()]), reports(view, now));
}

function told(now: Growth, view: GrowthView): (HTMLElement | false | null)[] {
  const { index, value, normal, vci, difference } = now;
  const numbers =
    value !== null && normal !== null && difference !== null
      ? t("growth.numbers", {
          index: index.toUpperCase(),
          value: number(value),
          normal: number(normal),
          change: signed(difference),
        }) + (vci === null ? "" : t("growth.vci", { vci: number(vci, 0) }))
      : null;
  return [
    h(
      "p",
      { class: "grade" },
      swatch(now),
      h("b", {}, gradeWord(now)),
      h("span", { class: "muted" }, dekad(now)),
    ),
    numbers === null ? null : h("p", {}, numbers),
    now.status !== "ok" && h("p", { class: "note" }, why(now)),
    now.shares && shares(now.shares),
    view.growth.length > 1 && course(view.growth),
    h("p", { class: "note" }, basis(now)),
  ];
}

function gradeWord(one: Growth): string {
  if (one.grade === null) return t("growth.no_grade");
  return either({ zh: one.grade_zh ?? "", en: one.grade_en ?? "" });
}

function why(one: Growth): string {
  const reason = either({ zh: one.reason_zh ?? "", en: one.reason_en ?? "" });
  return t("county.note", { reason: reason || one.status });
}

function dekad(one: Growth): string {
  return span(one.dekad_start, one.dekad_end, true);
}

function swatch(one: Growth): HTMLElement {
  if (one.grade === null) return h("i", { class: "swatch hatched" });
  const box = h("i", { class: "swatch" });
  box.style.backgroundColor = GRADE_COLOURS[one.grade - 1]!;
  return box;
}

/** The crop's ground by grade, worst first. */
function shares(parts: readonly number[]): HTMLElement {
  const boxes = parts.map((share, i) => {
    const box = h("i");
    box.style.width = `${100 * share}%`;
    box.style.backgroundColor = GRADE_COLOURS[i]!;
    return box;
  });
  const words = parts.map((share) => percent(share)).join(" · ");
  return h(
    "div",
    { class: "shares" },
    h("span", { class: "bar", "aria-hidden": "true" }, ...boxes),
    h("small", {}, t("growth.shares", { shares: words })),
  );
}

function course(rows: readonly Growth[]): HTMLElement {
  const steps = rows.map((one) => {
    const words = `${dekad(one)}${t("colon")}${gradeWord(one)}`;
    return h(
      "li",
      { title: words },
      swatch(one),
      h("span", { class: "hidden" }, words),
      h("small", { "aria-hidden": "true" }, one.dekad_start.slice(5)),
    );
  });
  return h("ol", { class: "course" }, ...steps);
}

function basis(one: Growth): string {
  const limits = one.limits?.map((cut) => number(cut)).join(" / ");
  return [
    t("growth.years", { years: one.years }),
    one.crop_map === null && t("growth.all_land"),
    limits !== undefined && t("growth.limits", { limits }),
  ]
    .filter(Boolean)
    .join(t("issues.and"));
}

/** Links to the newest bulletin, and to the table behind the grade. */
function reports({ county, crop, bulletins }: GrowthView, now: Growth | undefined): HTMLElement {
  const newest = bulletins.filter(({ dekad }) => dekad === bulletins[0]?.dekad);
  const mine = newest.filter((one) => one.language === language());
  const links = (mine.length ? mine : newest).map((one) =>
    h(
      "a",
      { href: samePlace(one.href), target: "_blank", rel: "noopener" },
      t("growth.bulletin", { form: one.form.toUpperCase(), day: day(one.dekad) }),
    ),
  );
  const date = now?.dekad_end ?? t("growth.date");
  const query = now && { crop, year: Number(now.dekad_start.slice(0, 4)), f: "csv" };
  return h(
    "p",
    { class: "links" },
    ...links,
    query !== undefined &&
      h("a", { href: href(`counties/${county}/growth`, query), download: true }, t("growth.csv")),
    !links.length &&
      h("span", { class: "muted" }, t("growth.no_bulletin", { county, crop, date })),
  );
}
