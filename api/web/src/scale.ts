/**
 * Colours of yield: ColorBrewer's YlGn, lightness falling evenly with the value, so
 * that the order is read without the legend and with any colour vision. The tiles of
 * the yield maps carry the same ramp: one colour language for both.
 */

import type { Crop } from "./state";

type Rgb = readonly [number, number, number];

const YLGN: readonly Rgb[] = [
  [255, 255, 229],
  [247, 252, 185],
  [217, 240, 163],
  [173, 221, 142],
  [120, 198, 121],
  [65, 171, 93],
  [35, 132, 67],
  [0, 104, 55],
  [0, 69, 41],
];

const RDYLGN: readonly Rgb[] = [
  [165, 0, 38],
  [215, 48, 39],
  [244, 109, 67],
  [253, 174, 97],
  [254, 224, 139],
  [255, 255, 191],
  [217, 239, 139],
  [166, 217, 106],
  [102, 189, 99],
  [26, 152, 80],
  [0, 104, 55],
];

const ORANGES: readonly Rgb[] = [
  [255, 245, 235],
  [254, 230, 206],
  [253, 208, 162],
  [253, 174, 107],
  [253, 141, 60],
  [241, 105, 19],
  [217, 72, 1],
  [166, 54, 3],
  [127, 39, 4],
];

/** Name of a product's colour map -> its colours; those of the tiles. */
const RAMPS: Readonly<Record<string, readonly Rgb[]>> = {
  ylgn: YLGN,
  rdylgn: RDYLGN,
  oranges: ORANGES,
};

/** Colour at `position` 0..1 of a colour map. */
export function ramp(position: number, name = "ylgn"): string {
  const stops = RAMPS[name] ?? YLGN;
  const at = Math.min(1, Math.max(0, position)) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(at));
  const low = stops[below]!;
  const high = stops[below + 1]!;
  const part = at - below;
  const mixed = low.map((value, band) => Math.round(value + (high[band]! - value) * part));
  return `rgb(${mixed.join(" ")})`;
}

// Between the classes, t/ha: the same in every year, so that a colour keeps its meaning.
const BREAKS: Readonly<Record<Crop, readonly number[]>> = {
  maize: [6, 7, 8, 9],
  rice: [6.5, 7, 7.5, 8, 8.5, 9],
  soybean: [1.6, 1.8, 2.0, 2.2, 2.4],
};

export interface Scale {
  /** Ascending; the first class lies below all breaks, the last has no upper end. */
  readonly breaks: readonly number[];
  readonly colours: readonly string[];
  colour(value: number): string;
}

export function scaleOf(crop: Crop): Scale {
  const breaks = BREAKS[crop];
  const count = breaks.length + 1;
  // The pale end of the ramp is left out: it would vanish on the paper of the map.
  const colours = Array.from({ length: count }, (_, i) => ramp(0.12 + (0.84 * (i + 0.5)) / count));
  return {
    breaks,
    colours,
    colour: (value) => colours[breaks.filter((limit) => limit <= value).length]!,
  };
}
