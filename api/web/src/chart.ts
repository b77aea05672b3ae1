/** What all charts share: fonts, quiet axes, drawing on the canvas, width of the panel. */

import uPlot from "uplot";

import { decimals, number } from "./i18n";

export const COLOURS = {
  green: "#1f6b3a",
  leaf: "#5aa469",
  soil: "#7a5a3a",
  grid: "#e4e1d5",
  text: "#5a5f52",
  warn: "#b3541e",
} as const;

const FONT = '11px system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif';

export function axis(options: uPlot.Axis = {}): uPlot.Axis {
  return {
    font: FONT,
    stroke: COLOURS.text,
    grid: { stroke: COLOURS.grid, width: 1 },
    ticks: { stroke: COLOURS.grid, width: 1, size: 4 },
    ...options,
  };
}

/** A value axis whose numbers have just the decimals that its step needs. */
export function valueAxis(options: uPlot.Axis = {}): uPlot.Axis {
  return axis({
    values: (_, splits, __, ___, step) => splits.map((value) => number(value, decimals(step))),
    ...options,
  });
}

/** Charts that are on the page, to follow its width. */
const alive = new Map<HTMLElement, uPlot>();

const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const plot = alive.get(target as HTMLElement);
    if (plot && contentRect.width > 0 && Math.abs(plot.width - contentRect.width) >= 1)
      plot.setSize({ width: contentRect.width, height: plot.height });
  }
});

/**
 * Put a chart into a box that is already on the page.
 *
 * Charts whose box has left the page are freed here: panels just replace their content.
 */
export function draw(
  box: HTMLElement,
  options: Omit<uPlot.Options, "width">,
  data: uPlot.AlignedData,
): void {
  for (const [old, plot] of alive)
    if (!old.isConnected) {
      watcher.unobserve(old);
      plot.destroy();
      alive.delete(old);
    }
  const all: uPlot.Options = {
    legend: { show: false },
    ...options,
    width: box.clientWidth,
  };
  alive.set(box, new uPlot(all, data, box));
  watcher.observe(box);
}

/** A vertical dashed line with words at its top, at `x` in the units of the axis. */
export function marker(plot: uPlot, x: number, words: string, colour: string): void {
  const { ctx, bbox } = plot;
  const at = plot.valToPos(x, "x", true);
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 3 * ratio]);
  ctx.beginPath();
  ctx.moveTo(at, bbox.top);
  ctx.lineTo(at, bbox.top + bbox.height);
  ctx.stroke();
  ctx.font = FONT.replace("11px", `600 ${11 * ratio}px`);
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  ctx.fillText(words, at, bbox.top - 2 * ratio);
  ctx.restore();
}

/** A vertical bar with caps from `low` to `high`: an interval. */
export function whisker(plot: uPlot, x: number, low: number, high: number, colour: string): void {
  const { ctx } = plot;
  const at = plot.valToPos(x, "x", true);
  const [top, bottom] = [plot.valToPos(high, "y", true), plot.valToPos(low, "y", true)];
  const cap = 5 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(at, top);
  ctx.lineTo(at, bottom);
  for (const y of [top, bottom]) {
    ctx.moveTo(at - cap, y);
    ctx.lineTo(at + cap, y);
  }
  ctx.stroke();
  ctx.restore();
}
