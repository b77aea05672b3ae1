/** How the map looks: paper, ink, hatching. */

import CircleStyle from "ol/style/Circle";
import Fill from "ol/style/Fill";
import Stroke from "ol/style/Stroke";
import Style from "ol/style/Style";
import Text from "ol/style/Text";

const FONT = '"Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif';
const INK = "#1d2a20";
const PAPER = "#faf9f3";

export const KIND_COLOURS: Readonly<Record<string, string>> = {
  "weather-station": "#2b6c99",
  "soil-probe": "#8a5a2b",
  "grain-bin": "#b07d0e",
  "cattle-collar": "#a23b48",
};

/** Grey hatching: the cartographer's sign for "not known", never a colour of the scale. */
function hatching(): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  if (!pen) return "#d8d6cc";
  pen.fillStyle = "#e6e4da";
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = "#a9a798";
  pen.lineWidth = 1.4;
  pen.beginPath();
  for (const start of [-4, 4, 12]) {
    pen.moveTo(start - 4, 8);
    pen.lineTo(start + 4, 0);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat") ?? "#d8d6cc";
}

const cache = new Map<string, Style>();

function cached(key: string, make: () => Style): Style {
  let style = cache.get(key);
  if (!style) cache.set(key, (style = make()));
  return style;
}

/** Fill of a county: a colour, null for "no estimate", "none" for bare paper. */
export function county(colour: string | null): Style {
  return cached(`county ${colour}`, () => {
    const fill = colour === "none" ? PAPER : (colour ?? hatching());
    return new Style({ fill: new Fill({ color: fill }) });
  });
}

export function outline(selected: boolean, overRaster: boolean): Style {
  return cached(`outline ${selected} ${overRaster}`, () =>
    selected
      ? new Style({ stroke: new Stroke({ color: "#14110c", width: 2.6 }), zIndex: 1 })
      : new Style({
          stroke: new Stroke({
            color: overRaster ? "rgba(40, 44, 36, 0.55)" : "rgba(255, 255, 250, 0.9)",
            width: overRaster ? 0.9 : 1.1,
          }),
        }),
  );
}

// Drawn below the fills, so that only the outer half shows: the edge of the province.
export const provinceEdge = [
  new Style({ stroke: new Stroke({ color: "rgba(120, 112, 84, 0.16)", width: 11 }) }),
  new Style({
    stroke: new Stroke({ color: "#5d6353", width: 2.6 }),
    fill: new Fill({ color: PAPER }),
    zIndex: 1,
  }),
];

/** A county's name; below `size` / resolution it would not fit and is left out. */
export function label(words: string, resolution: number, size: number): Style | undefined {
  if (Math.sqrt(size) / resolution < 34) return undefined;
  return cached(
    `label ${words}`,
    () =>
      new Style({
        text: new Text({
          text: words,
          font: `500 12px ${FONT}`,
          fill: new Fill({ color: INK }),
          stroke: new Stroke({ color: "rgba(255, 255, 248, 0.85)", width: 3 }),
          padding: [2, 2, 2, 2],
        }),
      }),
  );
}

export function device(kind: string, selected: boolean): Style {
  return cached(
    `device ${kind} ${selected}`,
    () =>
      new Style({
        image: new CircleStyle({
          radius: selected ? 9 : 6,
          fill: new Fill({ color: KIND_COLOURS[kind] ?? INK }),
          stroke: new Stroke({ color: selected ? "#14110c" : "#ffffff", width: selected ? 3 : 2 }),
        }),
        zIndex: selected ? 1 : 0,
      }),
  );
}

export const pixel = [
  new Style({
    image: new CircleStyle({ radius: 9, stroke: new Stroke({ color: "#ffffff", width: 5 }) }),
  }),
  new Style({
    image: new CircleStyle({ radius: 9, stroke: new Stroke({ color: "#a23b1f", width: 2.5 }) }),
    zIndex: 1,
  }),
];

export const graticule = new Stroke({
  color: "rgba(90, 96, 78, 0.22)",
  width: 0.8,
  lineDash: [2, 3],
});

export function gridLabel(side: "bottom" | "right"): Text {
  return new Text({
    font: `10px ${FONT}`,
    textBaseline: "bottom",
    textAlign: side === "right" ? "end" : "center",
    fill: new Fill({ color: "#7a7b6b" }),
    stroke: new Stroke({ color: "rgba(244, 242, 233, 0.9)", width: 2 }),
  });
}
