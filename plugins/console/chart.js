// Charts by uPlot (plugins/console/vendor): a canvas for the eye, with its sentence for a screen reader; the page has the table beside it.
import { html, ref } from "./lib.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

const charts = new Map();  // element -> {given, json, drawn, size}
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const faint = name => color(name) + "40";

const PATHS = {
  line: () => uPlot.paths.linear(), dashed: () => uPlot.paths.stepped({ align: 1 }), steps: () => uPlot.paths.stepped({ align: 1 }),
  bars: () => uPlot.paths.bars({ size: [0.6, 40] }), points: () => () => null, hidden: () => uPlot.paths.linear(),
};
const series = each => ({
  label: each.label, scale: each.scale ?? "y", stroke: each.kind === "hidden" ? "transparent" : color(each.color), width: each.kind === "hidden" ? 0 : each.kind === "points" ? 0 : 2,
  fill: each.kind === "bars" ? faint(each.color) : undefined, dash: each.kind === "dashed" ? [6, 4] : undefined, paths: PATHS[each.kind](), spanGaps: false,
  points: { show: each.kind === "points", size: 8, fill: color(each.color), stroke: color(each.color) },
  value: (_, value) => value === null || value === undefined ? "–" : each.say ? each.say(value) : value.toPrecision(4),
});
const axis = more => ({ stroke: color("--dim"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 }, font: "12px system-ui", ...more });

const options = (given, width) => {
  const label = at => given.names[at] ?? "";
  return {
    width, height: given.height ?? 220, cursor: { drag: { x: false, y: false } }, legend: { live: true },
    scales: { x: { time: false, range: [-0.5, given.names.length - 0.5] }, y: { range: given.range ?? uPlotRange }, ...(given.second ? { second: { range: given.second } } : {}) },
    axes: [axis({ values: (_, ticks) => ticks.map(at => Number.isInteger(at) ? label(at) : ""), space: given.space ?? 70 }), axis({ size: 56 }), ...(given.second ? [axis({ scale: "second", side: 1, grid: { show: false }, size: 56, values: (_, ticks) => ticks.map(given.saySecond ?? String) })] : [])],
    series: [{ label: given.axis ?? "", value: (_, at) => at === null ? "–" : label(at) }, ...given.lines.map(series)],
    bands: (given.bands ?? []).map(([upper, lower, name]) => ({ series: [upper + 1, lower + 1], fill: faint(name) })),
  };
};
const uPlotRange = (_, least, most) => {
  if (least === null || most === null) return [0, 1];
  const air = Math.max((most - least) * .08, Math.abs(most) * .01, 1e-6);
  return [least >= 0 && least < air * 4 ? 0 : least - air, most + air];
};

const build = (element, held) => {
  held.drawn?.destroy();
  const width = Math.max(240, element.clientWidth);
  held.drawn = new uPlot(options(held.given, width), [held.given.names.map((_, at) => at), ...held.given.lines.map(each => each.values)], element);
};
const resized = new ResizeObserver(entries => entries.forEach(({ target }) => {
  const held = charts.get(target), width = Math.max(240, target.clientWidth);
  if (held?.drawn && held.drawn.width !== width) held.drawn.setSize({ width, height: held.given.height ?? 220 });
}));
window.addEventListener("slipstream:theme", () => charts.forEach((held, element) => build(element, held)));

const mount = given => element => {
  if (!element) return;
  const json = JSON.stringify(given), held = charts.get(element);
  if (held?.json === json) return;
  for (const known of charts.keys()) if (!known.isConnected && known !== element) { charts.get(known).drawn?.destroy(); charts.delete(known); resized.unobserve(known); }
  const now = { given, json, drawn: held?.drawn };
  charts.set(element, now);
  requestAnimationFrame(() => { if (element.isConnected && charts.get(element) === now) build(element, now); });
  resized.observe(element);
};

// `names`: of the places on the x axis; `lines`: {label, kind, color, values}, one value a place or null; `sentence`: what a glance sees.
export const chart = given => html`<figure class="chart"><div role="img" aria-label=${`${given.label}. ${given.sentence}`} ${ref(mount(given))}></div></figure>`;
