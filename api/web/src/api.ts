/**
 * The platform's HTTP interface, typed.
 *
 * Every fault becomes a `Problem` with a title in both languages: the caller shows it,
 * nobody swallows it.
 */

import type { FeatureCollection, MultiPolygon, Polygon } from "./geojson";
import type { Crop, Lang, LonLat } from "./state";

export interface County {
  readonly code: string;
  readonly name_zh: string;
  readonly name_en: string;
  readonly prefecture_zh: string;
  readonly prefecture_en: string;
}

export type Counties = FeatureCollection<Polygon | MultiPolygon, County> & {
  readonly attribution: string;
};

export interface Estimate {
  readonly county: string;
  readonly crop: Crop;
  readonly year: number;
  readonly value: number | null;
  readonly unit: string;
  readonly lower: number | null;
  readonly upper: number | null;
  /** Coverage of lower..upper, 0..1; null where a published value has no bounds. */
  readonly interval: number | null;
  readonly status: "forecast" | "provisional" | "final" | "missing";
  readonly reason: string | null;
  readonly simulated: boolean;
  readonly run_id: string;
  /** Last day of the data; null of older and of published values. */
  readonly as_of: string | null;
  readonly lead_days: number | null;
  /** What the county's trend and its last five years say, in `unit`. */
  readonly trend: number | null;
  readonly mean5: number | null;
  /** What model and baselines missed in past years, t/ha. */
  readonly rmse: number | null;
  readonly rmse_trend: number | null;
  readonly rmse_mean5: number | null;
  readonly source: string | null;
  /** Standard error, in `unit`, where the law behind the estimate has one. */
  readonly se: number | null;
  /** What the hectares of an area or a production rest on. */
  readonly area_source: "survey" | "statistics" | "survey+statistics" | null;
  readonly issued_at: string;
}

export interface Issue extends Estimate {
  readonly issue: number;
  readonly difference: number | null;
  readonly changes: readonly { readonly en: string; readonly zh: string }[];
}

export interface Statistic {
  readonly year: number;
  readonly yield_t_ha: number | null;
  readonly source: string;
  readonly simulated: boolean;
}

/** Growth of a county in a dekad; without a grade, the reason says why. */
export interface Growth {
  readonly county: string;
  readonly index: string;
  readonly dekad_start: string;
  readonly dekad_end: string;
  readonly grade: number | null;
  readonly grade_en: string | null;
  readonly grade_zh: string | null;
  readonly value: number | null;
  readonly normal: number | null;
  readonly difference: number | null;
  readonly vci: number | null;
  readonly years: number;
  readonly shares: readonly number[] | null;
  readonly status: string;
  readonly reason_en: string | null;
  readonly reason_zh: string | null;
  readonly limits: readonly number[] | null;
  readonly crop_map: string | null;
  readonly simulated: boolean;
}

export interface Bulletin {
  /** First day of the dekad. */
  readonly dekad: string;
  readonly language: Lang;
  readonly form: "html" | "pdf";
  readonly href: string;
}

export interface ProductClass {
  readonly value: number;
  readonly name: string;
  readonly name_en: string;
  readonly name_zh: string;
  readonly colour: string;
}

/** A share with the bounds of its interval; null where nothing is known. */
export interface Share {
  readonly value: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly n: number;
}

export interface Accuracy {
  readonly method: string;
  readonly independent: boolean;
  readonly years: readonly number[];
  readonly n: number;
  readonly interval: number;
  readonly classes: readonly string[];
  readonly overall: Share;
  readonly users: readonly Share[];
  readonly producers: readonly Share[];
}

export interface Product {
  readonly id: string;
  readonly kind: string;
  readonly crop: Crop | null;
  readonly year: number;
  readonly resolution_m: number;
  readonly bbox: readonly [number, number, number, number];
  readonly unit: string;
  readonly range: readonly [number, number];
  readonly run_id: string;
  readonly simulated: boolean;
  readonly title_zh: string;
  readonly title_en: string;
  readonly colormap: string;
  /** What it was made for, e.g. a county's code; null where not said. */
  readonly place: string | null;
  /** First and last day of the dekad it tells of; null for a whole year. */
  readonly period: readonly [string, string] | null;
  /** Of a map of classes; empty for a quantity. */
  readonly classes: readonly ProductClass[];
  readonly accuracy: Accuracy | null;
  readonly warnings: readonly { readonly en: string; readonly zh: string }[];
  readonly tilejson: string;
}

export interface TileJson {
  readonly tiles: readonly string[];
  readonly minzoom?: number;
  readonly maxzoom?: number;
}

export interface PointValue {
  readonly value: number | null;
  readonly unit: string;
  readonly status: string;
  /** Of the class; null for a quantity. */
  readonly name_en: string | null;
  readonly name_zh: string | null;
}

export interface Season {
  readonly lon: number;
  readonly lat: number;
  readonly year: number;
  readonly collection: string;
  readonly resolution_m: number;
  /** Middle day of each dekad, where its values belong. */
  readonly centres: readonly string[];
  readonly ndvi: readonly (number | null)[];
  readonly clear_count: readonly number[];
  readonly ndvi_smooth: readonly (number | null)[];
  readonly observations: readonly { readonly date: string; readonly ndvi: number }[];
  readonly sos: string | null;
  readonly pos: string | null;
  readonly eos: string | null;
  readonly peak: number | null;
  readonly integral: number | null;
  readonly status: string;
  readonly simulated: boolean;
}

export interface Reading {
  readonly quantity: string;
  readonly unit: string;
  readonly thing: string;
  readonly time: string;
  readonly value: number;
  /** QARTOD: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing. */
  readonly flag: number;
}

export interface Device {
  readonly id: string;
  readonly farm: string;
  readonly name_zh: string;
  readonly name_en: string;
  readonly kind: string;
  readonly lon: number | null;
  readonly lat: number | null;
  readonly simulated: boolean;
  readonly last_seen: string | null;
  readonly latest: readonly Reading[];
}

export interface Readings {
  readonly readings: readonly Reading[];
  readonly truncated: boolean;
  readonly simulated: boolean;
}

/** What went wrong, for a person. Status 0 = the server was not reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: Readonly<Record<Lang, string>>,
    readonly detail: string,
  ) {
    super(`${status} ${title.en}: ${detail}`);
  }
}

/** Address of a route beside the page, so that the platform can live under a prefix. */
export function href(route: string, query: Record<string, string | number> = {}): string {
  const url = new URL(route, document.baseURI);
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, `${value}`);
  return url.href;
}

/**
 * Path of an address of ours. Behind a proxy the server may not know its public scheme
 * and host, but the page does: it was loaded from there.
 */
export function samePlace(address: string): string {
  return address.replace(/^https?:\/\/[^/]+/, "");
}

async function problemOf(response: Response): Promise<Problem> {
  const plain = response.statusText || `HTTP ${response.status}`;
  const body: unknown = response.headers.get("content-type")?.includes("json")
    ? await response.json().catch(() => null)
    : null;
  const given = (body ?? {}) as { title?: string; title_zh?: string; detail?: unknown };
  const en = given.title ?? plain;
  const detail = typeof given.detail === "string" ? given.detail : "";
  return new Problem(response.status, { zh: given.title_zh ?? en, en }, detail);
}

async function get<T>(address: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address, signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, { zh: "无法连接服务器", en: "The server cannot be reached" }, "");
  }
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as T;
}

/** Take "there is none" (404) as an answer where absence is an ordinary state. */
async function orEmpty<T>(answer: Promise<T>, empty: T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return empty;
    throw error;
  }
}

/** Whether anything on the platform is simulated. */
export const health = (): Promise<{ readonly simulated: boolean }> => get(href("healthz"));

export const counties = (): Promise<Counties> => get(href("counties"));

export async function estimates(crop: Crop): Promise<readonly Estimate[]> {
  const none: { estimates: Estimate[] } = { estimates: [] };
  return (await orEmpty(get<typeof none>(href("estimates", { crop })), none)).estimates;
}

/** The newest area or production of a county, undefined where none was issued. */
export async function harvest(
  measure: "area" | "production",
  crop: Crop,
  year: number,
  county: string,
  signal: AbortSignal,
): Promise<Estimate | undefined> {
  const none: { estimates: Estimate[] } = { estimates: [] };
  const address = href("estimates", { crop, year, county, measure });
  return (await orEmpty(get<typeof none>(address, signal), none)).estimates[0];
}

/** Every issue of a county's estimate, the first one first. */
export async function issues(
  crop: Crop,
  year: number,
  county: string,
  signal: AbortSignal,
): Promise<readonly Issue[]> {
  const none: { issues: Issue[] } = { issues: [] };
  const address = href(`counties/${encodeURIComponent(county)}/estimates`, { crop, year });
  return (await orEmpty(get<typeof none>(address, signal), none)).issues;
}

export async function statistics(
  crop: Crop,
  county: string,
  signal: AbortSignal,
): Promise<readonly Statistic[]> {
  const none: { statistics: Statistic[] } = { statistics: [] };
  const answer = get<typeof none>(href("statistics", { crop, county }), signal);
  return (await orEmpty(answer, none)).statistics;
}

/** Growth of a county in each dekad of a year that was graded. */
export async function growth(
  crop: Crop,
  year: number,
  county: string,
  signal: AbortSignal,
): Promise<readonly Growth[]> {
  const none: { growth: Growth[] } = { growth: [] };
  const address = href(`counties/${encodeURIComponent(county)}/growth`, { crop, year });
  return (await orEmpty(get<typeof none>(address, signal), none)).growth;
}

/** Bulletins of a county and year, the newest first. */
export async function bulletins(
  crop: Crop,
  year: number,
  county: string,
  signal: AbortSignal,
): Promise<readonly Bulletin[]> {
  const none: { bulletins: Bulletin[] } = { bulletins: [] };
  const address = href(`counties/${encodeURIComponent(county)}/bulletins`, { crop });
  const all = (await orEmpty(get<typeof none>(address, signal), none)).bulletins;
  return all.filter(({ dekad }) => dekad.startsWith(`${year}-`));
}

export async function products(): Promise<readonly Product[]> {
  return (await get<{ products: Product[] }>(href("products"))).products;
}

export async function tiles(product: Product): Promise<TileJson> {
  const answer = await get<TileJson>(samePlace(product.tilejson));
  return { ...answer, tiles: answer.tiles.map(samePlace) };
}

/** A product's value at a point; outside the product there is none, as without data. */
export function point(
  product: Product,
  [lon, lat]: LonLat,
  signal: AbortSignal,
): Promise<PointValue> {
  const address = href(`products/${encodeURIComponent(product.id)}/point`, { lon, lat });
  const none: PointValue = {
    value: null,
    unit: product.unit,
    status: "no-data",
    name_en: null,
    name_zh: null,
  };
  return orEmpty(get(address, signal), none);
}

export function season([lon, lat]: LonLat, year: number, signal: AbortSignal): Promise<Season> {
  return get(href("season", { lon, lat, year }), signal);
}

export async function devices(): Promise<readonly Device[]> {
  return (await get<{ devices: Device[] }>(href("devices"))).devices;
}

export function readings(
  device: string,
  from: Date,
  to: Date,
  signal: AbortSignal,
): Promise<Readings> {
  const query = { from: from.toISOString(), to: to.toISOString() };
  return get(href(`devices/${encodeURIComponent(device)}/readings`, query), signal);
}
