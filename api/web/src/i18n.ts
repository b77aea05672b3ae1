/** Words of the page in both languages, and the numbers and dates that go with them. */

import en from "./en.json";
import type { Crop, Lang } from "./state";
import zh from "./zh.json";

export type Key = keyof typeof zh;

// Typed by the Chinese keys: a word missing in English does not compile.
const WORDS: Readonly<Record<Lang, Readonly<Record<Key, string>>>> = { zh, en };
const LOCALE: Readonly<Record<Lang, string>> = { zh: "zh-CN", en: "en-GB" };

/** The farms live on Beijing time, wherever the reader sits. */
export const ZONE = "Asia/Shanghai";

let lang: Lang = "zh";

export function setLanguage(value: Lang): void {
  lang = value;
  document.documentElement.lang = LOCALE[value];
}

export function language(): Lang {
  return lang;
}

/** The words for `key`, with {name} filled in from `values`. */
export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  return WORDS[lang][key].replace(/\{(\w+)\}/g, (hole, name: string) =>
    String(values[name] ?? hole),
  );
}

/** Words for a code that the server sends; an unknown code is shown as it came. */
export function term(
  group: "quantity" | "kind" | "status" | "flag",
  code: string,
): string {
  const words: Readonly<Record<string, string>> = WORDS[lang];
  return words[`${group}.${code}`] ?? code;
}

/** A crop's name inside a sentence. */
export function cropWord(crop: Crop): string {
  return t(`crop.${crop}`).toLowerCase();
}

/** The name that fits the language. */
export function named(thing: { name_zh: string; name_en: string }): string {
  return lang === "zh" ? thing.name_zh : thing.name_en;
}

/** A county's name as a map has room for: without its type, long ones on two lines. */
export function mapName(county: { name_zh: string; name_en: string }): string {
  if (lang === "zh") return county.name_zh.replace(/(?=(蒙古|朝鲜|满)族自治县$)/, "\n");
  return county.name_en.replace(/( \w+ Autonomous)? (County|City|District)(,.*)?$/, "");
}

/** A county's name as a narrow list has room for: a district keeps its city. */
export function listName(county: { name_zh: string; name_en: string }): string {
  if (lang === "zh") return county.name_zh;
  return county.name_en.replace(/( \w+ Autonomous)? (County|City|District)(?=,|$)/, "");
}

export function titled(thing: { title_zh: string; title_en: string }): string {
  return lang === "zh" ? thing.title_zh : thing.title_en;
}

export function prefecture(county: { prefecture_zh: string; prefecture_en: string }): string {
  return lang === "zh" ? county.prefecture_zh : county.prefecture_en;
}

/** The half that fits of a server's "English · 中文"; a text of one half serves both. */
export function inLanguage(text: string): string {
  const middle = text.indexOf(" · ");
  if (middle < 0) return text;
  return lang === "zh" ? text.slice(middle + 3) : text.slice(0, middle);
}

/** The side of a two-language pair that fits. */
export function either(pair: Readonly<Record<Lang, string>>): string {
  return pair[lang];
}

function formatted(value: number, options: Intl.NumberFormatOptions): string {
  // Intl writes a hyphen; a minus sign is as wide as a plus.
  return new Intl.NumberFormat(LOCALE[lang], options).format(value).replace("-", "\u2212");
}

export function number(value: number, digits = 2): string {
  return formatted(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Decimals that tell numbers apart that lie `step` from each other. */
export function decimals(step: number): number {
  return [0, 1, 2].find((n) => Number.isInteger(+(step * 10 ** n).toFixed(6))) ?? 3;
}

export function percent(share: number): string {
  return formatted(share, { style: "percent", maximumFractionDigits: 0 });
}

export function signedPercent(share: number): string {
  return formatted(share, {
    style: "percent",
    maximumFractionDigits: 1,
    signDisplay: "exceptZero",
  });
}

/** A difference, with its sign. */
export function signed(value: number, digits = 2): string {
  return formatted(value, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: "exceptZero",
  });
}

/** A calendar day such as "2025-07-21"; days have no time zone. */
export function day(iso: string, withYear = false): string {
  return new Intl.DateTimeFormat(LOCALE[lang], {
    timeZone: "UTC",
    month: "short",
    day: "numeric",
    ...(withYear ? { year: "numeric" } : {}),
  }).format(new Date(iso.slice(0, 10)));
}

/** Two days of one month: "21–31 Aug 2026". */
export function span(first: string, last: string, withYear = false): string {
  // The browsers' Chinese range is written in figures alone.
  if (lang === "zh") return `${day(first, withYear)}—${Number(last.slice(8))}日`;
  const form = new Intl.DateTimeFormat(LOCALE[lang], {
    timeZone: "UTC",
    month: "short",
    day: "numeric",
    ...(withYear ? { year: "numeric" } : {}),
  });
  return form.formatRange(new Date(first), new Date(last));
}

export function month(seconds: number): string {
  const form = new Intl.DateTimeFormat(LOCALE[lang], { timeZone: "UTC", month: "short" });
  return form.format(new Date(seconds * 1000));
}

/** The time of day on the farm's clock. */
export function clock(time: Date): string {
  const form = { timeZone: ZONE, hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  return new Intl.DateTimeFormat(LOCALE[lang], form).format(time);
}

/** The day of a moment in Beijing, with its year. */
export function dayOf(time: Date): string {
  return new Intl.DateTimeFormat(LOCALE[lang], { timeZone: ZONE, dateStyle: "medium" }).format(
    time,
  );
}

const AGES: readonly (readonly [limit: number, unit: number, name: Intl.RelativeTimeFormatUnit])[] =
  [
    [90, 1, "second"],
    [5400, 60, "minute"],
    [129_600, 3600, "hour"],
    [Infinity, 86_400, "day"],
  ];

/** "5 minutes ago". */
export function age(seconds: number): string {
  const [, unit, name] = AGES.find(([limit]) => Math.abs(seconds) < limit)!;
  const form = new Intl.RelativeTimeFormat(LOCALE[lang], { numeric: "always" });
  return form.format(-Math.round(seconds / unit), name);
}

// UCUM codes, as the readings carry them, in the signs that people read.
const SIGNS: Readonly<Record<string, string>> = {
  Cel: "°C",
  "m3/m3": "m³/m³",
  "W/m2": "W/m²",
  "[ppm]": "ppm",
  "{index}": "",
};

export function unitSign(unit: string): string {
  return SIGNS[unit] ?? unit;
}
