// The monitored windows: performance with its interval beside what the holdout promised, drift against its alarm, what was decided.
import { chart } from "../chart.js";
import { html, nothing } from "../lib.js";
import { note, outward, reading, section, table, tag } from "../parts.js";
import { count, many, share, three } from "../words.js";

const spread = each => 1.96 * (each.error || 0);
const number = value => typeof value === "number" ? value : null;
const moved = each => each.critical ? each.drift / each.critical : null;
const named = each => each.window.replace("/", " to ");

const drawing = windows => {
  const judged = windows.filter(each => number(each.value) !== null), newest = judged.at(-1), alarms = windows.filter(each => each.drift_verdict === "drift").length;
  const names = windows.map(each => each.window.slice(0, 10));
  return html`<div class="charts">${chart({
    label: `${windows[0].metric} by window`, names, axis: "window",
    sentence: newest ? `${judged.length} of ${windows.length} windows are judged; the newest, of ${newest.window.slice(0, 10)}, has ${three(newest.value)}, and ${three(newest.expected)} was expected.` : "No window is judged yet.",
    bands: [[0, 1, "--accent"]],
    lines: [
      { label: "upper", kind: "hidden", color: "--accent", values: windows.map(each => number(each.value) === null ? null : each.value + spread(each)) },
      { label: "lower", kind: "hidden", color: "--accent", values: windows.map(each => number(each.value) === null ? null : each.value - spread(each)) },
      { label: windows[0].metric, kind: "line", color: "--accent", values: windows.map(each => number(each.value)) },
      { label: "expected", kind: "dashed", color: "--dim", values: windows.map(each => number(each.expected)) },
    ],
  })}${chart({
    label: "drift by window, as a share of its alarm", names, axis: "window", range: [0, Math.max(1.25, ...windows.map(each => moved(each) || 0)) * 1.05],
    sentence: alarms ? `${count(alarms, "window")} of ${windows.length} drifted.` : "No window drifted.",
    lines: [
      { label: "drift / alarm", kind: "bars", color: "--warn", values: windows.map(moved) },
      { label: "alarm", kind: "dashed", color: "--bad", values: windows.map(() => 1) },
    ],
  })}</div>`;
};
const rows = windows => table("Monitored windows, the newest first",
  [{ term: "window", head: true }, { term: "performance", n: true }, { term: "expected", n: true }, { term: "drift", n: true }, { term: "rows", n: true }, { term: "labelled", n: true }, { term: "decision" }, { title: "report" }],
  [...windows].reverse().map(each => [named(each), html`<span title=${each.performance}>${three(each.value)}${number(each.error) === null ? nothing : html` <span class="dim">± ${three(spread(each))}</span>`}</span>`, three(each.expected),
    html`<span class=${each.drift_verdict === "drift" ? "bad" : nothing} title=${each.drift_words}>${share(moved(each))}${each.drift_verdict === "drift" ? " drift" : ""}</span>`, many(each.rows), many(each.labelled),
    each.action ? html`${tag(each.action)} <span class="note">${each.decision}</span>` : "–", each.report ? outward(each.report, "report") : nothing]));

export const watched = (windows, problem) => section("windows", "Watched window by window",
  windows === undefined ? reading(problem, "Reading the windows…") : windows.length ? [drawing(windows),
    note(`First: ${windows[0].metric} on landed labels with its 95 % interval, dashed what the champion's holdout promised. Second: the farthest column's drift as a share of its alarm.`),
    html`<details id="windows-table"><summary>${count(windows.length, "window")} as a table, with their reports</summary>${rows(windows)}</details>`] : note("No window was monitored yet."));
