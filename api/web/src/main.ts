/**
 * Puts the page together: state in, data in, map and panels out.
 *
 * One direction only. A click changes the state; a change of state loads what is missing
 * and draws again; nothing is drawn from anywhere else.
 */

import * as api from "./api";
import { drawControls } from "./controls";
import { element, fill, h } from "./dom";
import { inLanguage, mapName, named, number, setLanguage, t, type Key } from "./i18n";
import { drawLegend, inOrder, layerOf } from "./legend";
import { Atlas } from "./map";
import { reached, report, translate as translateMessages } from "./messages";
import { drawCounty, intervalOf } from "./panel_county";
import { drawDevices } from "./panel_devices";
import { drawSeason } from "./panel_season";
import { scaleOf, type Scale } from "./scale";
import { mark } from "./simulated";
import { Store, type Crop, type LonLat, type Panel, type State } from "./state";

const POLL_MS = 5000;
/** From this zoom on, fields can be told apart: a click asks for the pixel, not the county. */
const PIXEL_ZOOM = 11;
const DEVICE_ZOOM = 9;
/** How near a link without a view comes to the pixel or device it names. */
const SPOT_ZOOM = 13;
/** What a product of the whole province says it was made for. */
const PROVINCE = "jilin";
const PANELS: readonly Panel[] = ["county", "season", "devices"];

interface Data {
  counties: api.Counties | null;
  /** Estimates of all years, by crop. */
  readonly estimates: Map<Crop, readonly api.Estimate[]>;
  /** By product. */
  readonly tiles: Map<string, api.TileJson>;
  products: readonly api.Product[];
  devices: readonly api.Device[] | null;
}

const store = new Store();
const data: Data = {
  counties: null,
  estimates: new Map(),
  tiles: new Map(),
  products: [],
  devices: null,
};
let panelRequest = new AbortController();

const atlas = new Atlas(element("map"), {
  click: ([lon, lat], county, zoom) => {
    const pixel = [Number(lon.toFixed(5)), Number(lat.toFixed(5))] as const;
    if (store.state.layer !== "county" || zoom >= PIXEL_ZOOM) store.go({ panel: "season", pixel });
    else if (county) store.go({ panel: "county", county });
  },
  device: (id) => store.go({ panel: "devices", device: id }),
  hover: showTooltip,
  // Before the counties are there, the view is not yet the one that was asked for.
  move: (view) => void (data.counties && store.adjust({ view })),
});

/** What follows from state and data: everything is drawn from this. */
function derive(state: State) {
  const rows = data.estimates.get(state.crop) ?? [];
  const mine = data.products.filter(({ crop }) => crop === null || crop === state.crop);
  const years = [...new Set([...rows, ...mine].map(({ year }) => year))].sort((a, b) => b - a);
  const year = state.year ?? years[0] ?? new Date().getFullYear();
  const estimates = new Map(
    rows.filter((one) => one.year === year).map((one) => [one.county, one]),
  );
  const offered = inOrder(mine.filter((product) => product.year === year));
  return {
    years,
    year,
    estimates,
    estimated: [...new Set(rows.map((one) => one.year))].sort(),
    scale: scaleOf(state.crop),
    unit: rows[0]?.unit ?? "t/ha",
    offered,
    product: offered.find((product) => layerOf(product) === state.layer) ?? null,
  };
}

type Derived = ReturnType<typeof derive>;

function drawMap(state: State, now: Derived): void {
  const { estimates, scale, product } = now;
  const choropleth = state.layer === "county";
  atlas.paint((code) => (choropleth ? colourOf(estimates.get(code), scale) : "none"), mapName);
  atlas.setRaster(product, product && (data.tiles.get(product.id) ?? null));
  atlas.setOpacity(state.opacity);
  atlas.select(state.county);
  atlas.setPixel(state.panel === "season" ? state.pixel : null);
  drawMarkers(state);
  mark(
    "estimates",
    [...estimates.values()].some((one) => one.simulated),
  );
  mark("layer", product?.simulated ?? false);
}

function drawMarkers(state: State): void {
  const visible = state.panel === "devices" || (state.view?.zoom ?? 0) >= DEVICE_ZOOM;
  const devices = visible ? (data.devices ?? []) : [];
  atlas.setDevices(devices, state.device);
  mark("devices", data.devices?.some((device) => device.simulated) ?? false);
}

function colourOf(one: api.Estimate | undefined, scale: Scale): string | null {
  return one && one.value !== null ? scale.colour(one.value) : null;
}

function showTooltip(code: string | null, x: number, y: number): void {
  const box = element("tooltip");
  const county = data.counties?.features.find(({ id }) => id === code)?.properties;
  box.hidden = !county;
  if (!county) return;
  // Over pixels a county's number would be taken for the pixel's.
  const numbers = store.state.layer === "county" ? estimateWords(county.code) : [];
  fill(box, h("b", {}, named(county)), ...numbers);
  // Near the right and lower edges the tooltip turns to the other side of the pointer.
  const { clientWidth, clientHeight } = element("map");
  const left = x > clientWidth - 220 ? x - box.offsetWidth - 14 : x + 14;
  const top = y > clientHeight - 100 ? y - box.offsetHeight - 14 : y + 14;
  box.style.transform = `translate(${left}px, ${top}px)`;
}

function estimateWords(code: string): (HTMLElement | null)[] {
  const one = derive(store.state).estimates.get(code);
  if (one?.value == null) return [h("span", {}, t("county.missing_value"))];
  const interval = intervalOf(one);
  return [
    h("span", {}, `${number(one.value)} ${one.unit}`),
    interval === null ? null : h("small", {}, interval),
  ];
}

function drawTabs(state: State): void {
  const tabs = PANELS.map((panel) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${panel}`,
        "data-key": panel,
        "aria-selected": panel === state.panel ? "true" : "false",
        "aria-controls": "panel",
        // One stop for the Tab key, the arrows go on: what readers expect of tabs.
        tabindex: panel === state.panel ? 0 : -1,
        onclick: () => store.go({ panel }),
        onkeydown: (event) => turn(panel, (event as KeyboardEvent).key),
      },
      t(`tab.${panel}`),
    ),
  );
  fill(element("tabs"), ...tabs);
  element("panel").setAttribute("aria-labelledby", `tab-${state.panel}`);
}

function turn(panel: Panel, key: string): void {
  const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  const next = PANELS[(PANELS.indexOf(panel) + step + PANELS.length) % PANELS.length]!;
  if (next === panel) return;
  store.go({ panel: next });
  element(`tab-${next}`).focus();
}

function drawPanel(state: State, now: Derived): void {
  // What the former panel asked for is no longer wanted.
  panelRequest.abort();
  panelRequest = new AbortController();
  mark("panel", false);
  const panel = element("panel");
  const { signal } = panelRequest;
  if (state.panel === "county") {
    if (!data.counties || !data.estimates.has(state.crop))
      return fill(panel, h("p", { class: "loading" }, t("loading")));
    return drawCounty(
      panel,
      {
        ...now,
        crop: state.crop,
        years: now.estimated,
        counties: data.counties.features.map(({ properties }) => properties),
        selected: state.county,
        select: (county) => {
          store.go({ county });
          if (county) atlas.reveal(county);
          panel.scrollTop = 0;
        },
      },
      signal,
    );
  }
  if (state.panel === "season")
    return drawSeason(
      panel,
      {
        pixel: state.pixel,
        year: now.year,
        product: now.product,
        choose: (pixel) => store.go({ pixel }),
      },
      signal,
    );
  return drawDevices(
    panel,
    {
      devices: data.devices,
      selected: state.device,
      select: (device) => {
        store.go({ device });
        panel.scrollTop = 0;
      },
      locate: () => locate(state.device),
    },
    signal,
  );
}

function locate(device: string | null): void {
  const all = (data.devices ?? []).filter(({ id }) => device === null || id === device);
  const lons = all.map(({ lon }) => lon).filter((lon) => lon !== null);
  const lats = all.map(({ lat }) => lat).filter((lat) => lat !== null);
  if (lons.length)
    atlas.fit([Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)], 15);
}

function isWindow(product: api.Product | null): product is api.Product {
  if (product === null) return false;
  return product.resolution_m < 100 || (product.place !== null && product.place !== PROVINCE);
}

/** Bring into sight what a state is about, where it names no view. */
function aim(state: State): void {
  const { product } = derive(state);
  const centre = spotOf(state);
  if (state.view) atlas.show(state.view);
  else if (centre) atlas.show({ centre, zoom: SPOT_ZOOM });
  else atlas.frame(isWindow(product) ? product.bbox : null);
}

function spotOf({ panel, pixel, device }: State): LonLat | null {
  if (panel === "season") return pixel;
  const found = data.devices?.find(({ id }) => panel === "devices" && id === device);
  if (!found || found.lon === null || found.lat === null) return null;
  return [found.lon, found.lat];
}

function drawLayers(state: State, now: Derived): void {
  drawLegend({
    ...now,
    state,
    pick: (layer, product) => {
      store.go({ layer });
      // A window of one county is invisible from afar: go there.
      if (isWindow(product)) atlas.fit(product.bbox);
    },
    setOpacity: (opacity) => store.adjust({ opacity }),
  });
}

function translate(): void {
  for (const node of document.querySelectorAll<HTMLElement>("[data-i18n]"))
    node.textContent = t(node.dataset["i18n"] as Key);
  for (const node of document.querySelectorAll<HTMLElement>("[data-i18n-label]"))
    node.setAttribute("aria-label", t(node.dataset["i18nLabel"] as Key));
  if (data.counties) {
    const text = inLanguage(data.counties.attribution);
    element("attribution").textContent = t("attribution", { text });
  }
  atlas.translate();
  translateMessages();
}

function redraw(): void {
  const { state } = store;
  const now = derive(state);
  drawControls(store, now.years, now.year);
  drawTabs(state);
  drawMap(state, now);
  drawLayers(state, now);
  drawPanel(state, now);
}

/** Load what the state asks for and is not here yet. */
async function load(state: State): Promise<void> {
  const { crop } = state;
  if (!data.estimates.has(crop)) {
    data.estimates.set(crop, await api.estimates(crop));
    redraw();
  }
  const { product } = derive(store.state);
  if (product && !data.tiles.has(product.id)) {
    data.tiles.set(product.id, await api.tiles(product));
    drawMap(store.state, derive(store.state));
  }
}

async function poll(): Promise<void> {
  const wanted = store.state.panel === "devices" || data.devices === null;
  if (document.hidden || !wanted) return;
  data.devices = await api.devices();
  reached();
  drawMarkers(store.state);
  if (store.state.panel === "devices") drawPanel(store.state, derive(store.state));
}

store.listen((now, before, cause) => {
  if (now.lang !== before.lang) {
    setLanguage(now.lang);
    translate();
  }
  // Moving the map or the slider redraws nothing but the map.
  const quiet: readonly (keyof State)[] = ["view", "opacity"];
  const changed = (Object.keys(now) as (keyof State)[]).filter((key) => now[key] !== before[key]);
  if (changed.some((key) => !quiet.includes(key))) {
    redraw();
    load(now).catch(report);
  } else if (changed.length) {
    atlas.setOpacity(now.opacity);
    drawMarkers(now);
  }
  // The map itself is the source of every other change of view.
  if (cause === "back") aim(now);
});

async function start(): Promise<void> {
  setLanguage(store.state.lang);
  translate();
  redraw();
  if (matchMedia("(max-width: 760px)").matches) element("legend").removeAttribute("open");
  const asked = [api.counties(), api.products(), api.health(), poll().catch(report)] as const;
  const [counties, products, { simulated }] = await Promise.all(asked);
  data.counties = counties;
  data.products = products;
  mark("platform", simulated);
  atlas.setCounties(counties);
  aim(store.state);
  translate();
  redraw();
  await load(store.state);
}

start().catch(report);
setInterval(() => poll().catch(report), POLL_MS);
