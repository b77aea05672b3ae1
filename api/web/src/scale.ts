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

/** Colour at `position` 0..1 of the ramp. */
export function ramp(position: number): string {
  const at = Math.min(1, Math.max(0, position)) * (YLGN.length - 1);
  const low = YLGN[Math.min(YLGN.length - 2, Math.floor(at))]!;
  const high = YLGN[Math.min(YLGN.length - 2, Math.floor(at)) + 1]!;
  const part = at - Math.min(YLGN.length - 2, Math.floor(at));
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
