// What the policy decided, all of it, page by page; and what it would do next.
import { get } from "../api.js";
import { html, nothing } from "../lib.js";
import { note, reading, section, table, tag } from "../parts.js";
import { day } from "../words.js";

const sign = each => each.reason ? (each.open ? tag("not yet", "dim") : tag("speaks for training", "accent")) : tag(each.open ? "open" : "closed");
export const coming = (outlook, problem) => {
  if (!outlook) return section("outlook", "What the policy would do next", reading(problem));
  if (!outlook.action) return section("outlook", "What the policy would do next", note("Nothing was decided yet."));
  return section("outlook", "What the policy would do next",
    html`<p>As of ${day(outlook.as_of)}: ${tag(outlook.action)} ${outlook.words}</p>`,
    outlook.next.action ? html`<p>If the next window, until ${day(outlook.next.as_of)}, is like that one: ${tag(outlook.next.action)} <span class="dim">${outlook.next.words}</span></p>` : nothing,
    outlook.guards.length ? table("Guards of the policy", [{ term: "guard", head: true }, { title: "now" }, { title: "needs" }, { term: "state" }], outlook.guards.map(each => [each.name, each.now, each.needs, sign(each)])) : nothing);
};

// Older pages stay as they came: a decision is never changed.
const older = async (path, context, last) => {
  const held = context.state.decisions ??= { rows: [], more: true };
  try {
    const found = await get(`${path}/decisions?before=${encodeURIComponent((held.rows.at(-1) || last).as_of)}`);
    Object.assign(held, { rows: [...held.rows, ...found.decisions], more: found.more, problem: "" });
  } catch (error) { held.problem = error.message; }
  context.redraw();
};
export const decisions = (path, found, context) => {
  if (!found) return section("decisions", "Decisions", reading(context.problems.decisions));
  const held = context.state.decisions, newest = found.decisions, seen = new Set(newest.map(each => each.as_of));
  const rows = [...newest, ...(held?.rows || []).filter(each => !seen.has(each.as_of))], more = held ? held.more : found.more;
  return section("decisions", "Decisions", rows.length ? table("Decisions, the newest first", [{ term: "window_end", head: true }, { term: "decision" }, { title: "why" }],
    rows.map(each => [day(each.as_of), tag(each.action), each.words])) : note("No decision yet."),
    held?.problem ? html`<p class="bad" role="alert">${held.problem}</p>` : nothing,
    more ? html`<p class="pager"><button @click=${() => older(path, context, rows.at(-1))}>Older decisions</button> <span class="dim">${rows.length} are shown</span></p>` : nothing);
};
