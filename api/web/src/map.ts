/** The map: counties, yield tiles, devices, the chosen pixel. Knows nothing of panels. */

import Feature from "ol/Feature";
import OlMap from "ol/Map";
import View from "ol/View";
import Control from "ol/control/Control";
import { defaults as defaultControls } from "ol/control/defaults";
import ScaleLine from "ol/control/ScaleLine";
import { getCenter, isEmpty, type Extent } from "ol/extent";
import GeoJSON from "ol/format/GeoJSON";
import MultiPolygon from "ol/geom/MultiPolygon";
import Point from "ol/geom/Point";
import Polygon from "ol/geom/Polygon";
import Graticule from "ol/layer/Graticule";
import TileLayer from "ol/layer/Tile";
import VectorLayer from "ol/layer/Vector";
import { fromLonLat, toLonLat, transformExtent } from "ol/proj";
import VectorSource from "ol/source/Vector";
import XYZ from "ol/source/XYZ";

import type { Counties, County, Device, Product, TileJson } from "./api";
import { h } from "./dom";
import { t } from "./i18n";
import * as look from "./map_style";
import type { LonLat, View as Place } from "./state";

export interface Handlers {
  /** A click; `county` is the county below it, if any. */
  click(at: LonLat, county: string | null, zoom: number): void;
  device(id: string): void;
  /** The pointer rests on a county, or on none (null), at a place in pixels of the map. */
  hover(county: string | null, x: number, y: number): void;
  move(view: Place): void;
}

/** How a county is painted: null = no estimate, "none" = bare paper. */
export type Paint = (code: string) => string | null;

const WEB_MERCATOR = "EPSG:3857";

export class Atlas {
  readonly #map: OlMap;
  readonly #view = new View({
    center: fromLonLat([126.4, 43.6]),
    zoom: 6.6,
    minZoom: 5,
    maxZoom: 18,
  });
  readonly #counties = new VectorSource();
  readonly #names = new VectorSource();
  readonly #devices = new VectorSource();
  readonly #pixel = new VectorSource();
  readonly #fills: VectorLayer;
  readonly #lines: VectorLayer;
  readonly #labels: VectorLayer;
  readonly #devicesLayer: VectorLayer;
  readonly #raster = new TileLayer({ visible: false });
  #paint: Paint = () => "none";
  #label: (county: County) => string = () => "";
  #selected: string | null = null;
  #device: string | null = null;
  #shown = "";
  /** What fills the map until the user moves it. */
  #framed: Extent | null = null;
  #fitted = "";

  constructor(target: HTMLElement, handlers: Handlers) {
    const edge = new VectorLayer({ source: this.#counties, style: look.provinceEdge });
    this.#fills = new VectorLayer({
      source: this.#counties,
      style: (feature) => look.county(this.#paint(codeOf(feature))),
    });
    this.#lines = new VectorLayer({
      source: this.#counties,
      style: (feature) =>
        look.outline(codeOf(feature) === this.#selected, this.#raster.getVisible()),
    });
    this.#labels = new VectorLayer({
      source: this.#names,
      declutter: true,
      // Where two names collide, the first drawn stays: the larger county's.
      renderOrder: (a, b) => (b.get("size") as number) - (a.get("size") as number),
      style: (feature, resolution) =>
        look.label(this.#label(feature.get("county") as County), resolution, feature.get("size")),
    });
    this.#devicesLayer = new VectorLayer({
      source: this.#devices,
      style: (feature) => look.device(feature.get("kind"), feature.getId() === this.#device),
    });
    const pixel = new VectorLayer({ source: this.#pixel, style: look.pixel });
    const grid = new Graticule({
      strokeStyle: look.graticule,
      showLabels: true,
      lonLabelStyle: look.gridLabel("bottom"),
      latLabelStyle: look.gridLabel("right"),
      latLabelPosition: 0.995,
      lonLabelPosition: 0.005,
      wrapX: false,
    });
    this.#map = new OlMap({
      target,
      view: this.#view,
      layers: [
        grid,
        edge,
        this.#fills,
        this.#raster,
        this.#lines,
        this.#devicesLayer,
        pixel,
        this.#labels,
      ],
      controls: defaultControls({ attribution: false, rotate: false }).extend([
        new ScaleLine({ minWidth: 70 }),
        new Control({ element: this.#home() }),
      ]),
    });
    this.#listen(target, handlers);
  }

  /** The button that brings the whole province back. */
  #home(): HTMLElement {
    const button = h("button", { type: "button", onclick: () => this.frame(null) }, "⌂");
    return h("div", { class: "ol-home ol-unselectable ol-control" }, button);
  }

  #listen(target: HTMLElement, handlers: Handlers): void {
    const at = (pixel: number[]): { county: string | null; device: string | null } => {
      let device: string | null = null;
      let county: string | null = null;
      this.#map.forEachFeatureAtPixel(
        pixel,
        (feature, layer) => {
          if (layer === this.#devicesLayer) device ??= String(feature.getId());
          else county ??= codeOf(feature);
        },
        {
          layerFilter: (layer) => layer === this.#fills || layer === this.#devicesLayer,
          hitTolerance: 3,
        },
      );
      return { county, device };
    };
    this.#map.on("click", () => handlers.hover(null, 0, 0));
    this.#map.on("singleclick", ({ pixel, coordinate }) => {
      const { county, device } = at(pixel);
      if (device) return handlers.device(device);
      const [lon, lat] = toLonLat(coordinate);
      handlers.click([lon!, lat!], county, this.#view.getZoom() ?? 0);
    });
    this.#map.on("pointermove", ({ pixel, dragging, originalEvent }) => {
      const mouse = (originalEvent as PointerEvent).pointerType === "mouse" && !dragging;
      const { county, device } = mouse ? at(pixel) : { county: null, device: null };
      target.style.cursor = county || device ? "pointer" : "";
      handlers.hover(device ? null : county, pixel[0]!, pixel[1]!);
    });
    target.addEventListener("pointerleave", () => handlers.hover(null, 0, 0));
    this.#map.on("change:size", () => this.#fit());
    this.#map.on("moveend", () => {
      if (this.#place() !== this.#fitted) this.#framed = null;
      const [lon, lat] = toLonLat(this.#view.getCenter()!);
      handlers.move({ centre: [lon!, lat!], zoom: this.#view.getZoom()! });
    });
  }

  setCounties(counties: Counties): void {
    const format = new GeoJSON({ featureProjection: WEB_MERCATOR });
    const features = format.readFeatures(counties);
    this.#counties.addFeatures(features);
    this.#names.addFeatures(features.map(nameOf));
  }

  /** Repaint the counties; `label` gives the words on each. */
  paint(paint: Paint, label: (county: County) => string): void {
    this.#paint = paint;
    this.#label = label;
    this.#fills.changed();
    this.#labels.changed();
  }

  /** Show a product's tiles, or none. */
  setRaster(product: Product | null, tiles: TileJson | null): void {
    const visible = product !== null && tiles !== null;
    this.#raster.setVisible(visible);
    this.#lines.changed();
    // The run in the address lets the browser keep a tile for ever.
    const key = visible ? `${product.id} ${product.run_id}` : "";
    if (key === this.#shown) return;
    this.#shown = key;
    if (!visible) return this.#raster.setSource(null);
    this.#raster.setExtent(projected(product.bbox));
    this.#raster.setSource(
      new XYZ({
        urls: tiles.tiles.map((tile) => withRun(tile, product.run_id)),
        minZoom: tiles.minzoom ?? 0,
        maxZoom: tiles.maxzoom ?? 18,
        // A pixel is a measurement: it is shown as a square, not blurred into its neighbour.
        interpolate: false,
        transition: 0,
      }),
    );
  }

  setOpacity(opacity: number): void {
    this.#raster.setOpacity(opacity);
  }

  select(county: string | null): void {
    if (county === this.#selected) return;
    this.#selected = county;
    this.#lines.changed();
  }

  setPixel(pixel: LonLat | null): void {
    this.#pixel.clear();
    if (pixel) this.#pixel.addFeature(new Feature(new Point(fromLonLat([...pixel]))));
  }

  setDevices(devices: readonly Device[], selected: string | null): void {
    this.#device = selected;
    this.#devices.clear();
    for (const { id, kind, lon, lat } of devices) {
      if (lon === null || lat === null) continue;
      const feature = new Feature({ geometry: new Point(fromLonLat([lon, lat])), kind });
      feature.setId(id);
      this.#devices.addFeature(feature);
    }
  }

  show(view: Place): void {
    this.#view.setCenter(fromLonLat([...view.centre]));
    this.#view.setZoom(view.zoom);
  }

  /** Fill the map with a box, null = the counties, whatever its size, until the user moves it. */
  frame(bbox: Product["bbox"] | null): void {
    this.#framed = bbox ? projected(bbox) : (this.#counties.getExtent() ?? null);
    this.#fit();
  }

  #fit(): void {
    const size = this.#map.getSize();
    if (!size || !this.#framed || isEmpty(this.#framed)) return;
    this.#view.fit(this.#framed, { size, padding: [18, 18, 30, 18] });
    this.#fitted = this.#place();
  }

  #place(): string {
    return `${this.#view.getCenter()} ${this.#view.getResolution()}`;
  }

  fit(bbox: readonly [number, number, number, number], maxZoom = 14): void {
    this.#view.fit(projected(bbox), { padding: [30, 30, 30, 30], maxZoom, duration: 350 });
  }

  /** Bring a county into sight if it is out of it. */
  reveal(code: string): void {
    const extent = this.#counties.getFeatureById(code)?.getGeometry()?.getExtent();
    const [west, south, east, north] = this.#view.calculateExtent();
    if (!extent) return;
    const [x, y] = getCenter(extent);
    if (x! < west! || x! > east! || y! < south! || y! > north!)
      this.#view.animate({ center: [x!, y!], duration: 350 });
  }

  /** Name the map's buttons in the page's language. */
  translate(): void {
    const buttons = [
      [".ol-zoom-in", "map.zoom_in"],
      [".ol-zoom-out", "map.zoom_out"],
      [".ol-home button", "map.province"],
    ] as const;
    for (const [name, key] of buttons) {
      const button = this.#map.getTargetElement()?.querySelector(name);
      button?.setAttribute("aria-label", t(key));
      button?.setAttribute("title", t(key));
    }
  }
}

function codeOf(feature: { getId(): string | number | undefined }): string {
  return String(feature.getId());
}

/** The place of a county's name: inside its largest part, big counties first. */
function nameOf(feature: Feature): Feature {
  const geometry = feature.getGeometry();
  const parts = geometry instanceof MultiPolygon ? geometry.getPolygons() : [geometry as Polygon];
  const largest = parts.reduce((a, b) => (b.getArea() > a.getArea() ? b : a));
  return new Feature({
    geometry: new Point(largest.getInteriorPoint().getCoordinates().slice(0, 2)),
    county: feature.getProperties(),
    size: largest.getArea(),
  });
}

function projected(bbox: readonly number[]): number[] {
  return transformExtent([...bbox], "EPSG:4326", WEB_MERCATOR);
}

function withRun(tile: string, run: string): string {
  if (/[?&]run=/.test(tile)) return tile;
  return `${tile}${tile.includes("?") ? "&" : "?"}run=${encodeURIComponent(run)}`;
}
