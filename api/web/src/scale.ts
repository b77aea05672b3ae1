/**
 * Colours of yield: ColorBrewer's YlGn, lightness falling evenly with the value, so
 * that the order is read without the legend and with any colour vision. The tiles of
 * the yield maps carry the same ramp: one colour language for both.
 */

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

export interface Scale {
  /** Class breaks, ascending; class i runs from breaks[i] to breaks[i + 1]. */
  readonly breaks: readonly number[];
  readonly colours: readonly string[];
  /** Decimals that tell two breaks apart. */
  readonly digits: number;
  colour(value: number): string;
}

/** Smallest step of 1, 2, 2.5, 5 x 10^n that covers `span` in at most `classes` steps. */
function niceStep(span: number, classes: number): number {
  const power = 10 ** Math.floor(Math.log10(span / classes));
  return power * [1, 2, 2.5, 5, 10].find((nice) => nice * power * classes >= span)!;
}

/** Five to eight classes of equal width on round breaks; null without values. */
export function classed(values: readonly number[]): Scale | null {
  if (!values.length) return null;
  const low = Math.min(...values);
  const step = niceStep(Math.max(Math.max(...values) - low, 0.01), 7);
  const first = Math.floor(low / step + 1e-9);
  const count = Math.max(1, Math.ceil(Math.max(...values) / step - 1e-9) - first);
  const breaks = Array.from({ length: count + 1 }, (_, i) => (first + i) * step);
  // The pale end of the ramp is left out: it would vanish on the paper of the map.
  const colours = breaks.slice(1).map((_, i) => ramp(0.12 + (0.84 * (i + 0.5)) / count));
  const digits = [0, 1, 2].find((d) => Number.isInteger(+(step * 10 ** d).toFixed(6))) ?? 3;
  return {
    breaks,
    colours,
    digits,
    colour: (value) =>
      colours[Math.min(count - 1, Math.max(0, Math.floor(value / step + 1e-9) - first))]!,
  };
}
