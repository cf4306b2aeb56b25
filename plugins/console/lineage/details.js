// A node opened: what it says, its files and what it was made of; verified where one asks. Deeper ones are a way back long.
import { get } from "../api.js";
import { html, nothing } from "../lib.js";
import { inward, note, table, tag, time } from "../parts.js";
import { announce } from "../status.js";
import { many, plain } from "../words.js";

const path = (graph, opens, verify) => "lineage?" + new URLSearchParams({ result: opens, model: graph.model, ...(verify ? { verify: "true" } : {}) });
const load = async (context, entry, ask) => {
  const mine = context.state.opened;
  try { Object.assign(entry, await ask(), { problem: "" }); } catch (error) { entry.problem = error.message; }
  if (context.state.opened === mine) { context.redraw(); announce(entry.problem || `${entry.title} is open below.`); }
};
const days = (context, graph, entry, offset) => load(context, entry, async () => {
  const found = await get(`lineage/${encodeURIComponent(graph.model)}/versions/${graph.version}/days?` + new URLSearchParams({ owner: entry.facts.owner, offset }));
  return { days: found };
});

export const open = (node, graph, context) => {
  const entry = { title: node.name, facts: node.facts, digest: node.digest, opens: node.opens, words: node.words, state: node.state };
  context.state.opened = { node: node.id, way: [entry] };
  context.redraw();
  if (node.folded) return days(context, graph, entry, 0);
  return node.opens ? load(context, entry, () => get(path(graph, node.opens))) : announce(`${node.name} is open below.`);
};
const deeper = (context, graph, title, opens) => {
  const entry = { title, facts: {}, digest: "", opens };
  context.state.opened = { ...context.state.opened, way: [...context.state.opened.way, entry] };
  context.redraw();
  return load(context, entry, () => get(path(graph, opens)));
};
const verify = (context, graph, entry) => { entry.verifying = true; context.redraw(); return load(context, entry, async () => ({ ...await get(path(graph, entry.opens, true)), verifying: false, title: entry.title })).finally(() => { entry.verifying = false; context.redraw(); }); };

const word = value => typeof value === "number" ? Number.isInteger(value) ? many(value) : value.toPrecision(4) : typeof value === "object" ? JSON.stringify(value) : String(value);
const isTime = (name, value) => ["made", "registered", "opened", "last change", "champion since", "until"].includes(name) && value;
const facts = entry => table(`What is known of ${entry.title}`, [{ title: "what", head: true }, { title: "value" }], Object.entries(entry.facts || {}).filter(([, value]) => value !== "").map(([name, value]) => [plain(name), isTime(name, value) ? html`${time(value)} <span class="dim">${value}</span>` : word(value)]));
const KIND = { verified: "good", recorded: "dim" };
const files = entry => entry.files?.length ? table("Its files", [{ title: "file", head: true }, { term: "digest" }, { term: "bytes", n: true }, { term: "state" }], entry.files.map(each => [html`${each.name}<div class="note">${each.path}</div>`, html`<code title=${each.digest}>${each.digest.slice(0, 16)}</code>`, each.bytes === null ? "–" : many(each.bytes), tag(each.state, KIND[each.state] || "bad")])) : nothing;
const inputs = (entry, context, graph) => entry.inputs?.length && !entry.days ? html`<h3>Made of</h3><ul class="walk">${entry.inputs.slice(0, 12).map(each => html`<li><button @click=${() => deeper(context, graph, each.name, each.opens)}>${each.name}</button> <span class="dim">${plain(each.kind)}, ${each.digest.slice(0, 12)}</span></li>`)}</ul>
  ${entry.of_inputs > 12 ? note(`and ${entry.of_inputs - 12} more: the node of its days lists them.`) : nothing}` : nothing;
const folded = (entry, context, graph) => entry.days ? html`<h3>${many(entry.days.of)} partitions, from number ${many(entry.days.offset + 1)}</h3><ul class="walk">${entry.days.days.map(each => html`<li><button @click=${() => deeper(context, graph, each.day, each.opens)}>${each.day}</button></li>`)}</ul>
  <p class="pager">${entry.days.offset ? html`<button @click=${() => days(context, graph, entry, 0)}>First</button>` : nothing}${entry.days.next !== null ? html`<button @click=${() => days(context, graph, entry, entry.days.next)}>Next</button>` : nothing}</p>` : nothing;
const onward = (entry, graph) => entry.versions?.length ? html`<h3>Went into</h3><ul class="walk">${entry.versions.map(each => html`<li>${inward("lineage", { name: graph.model, version: each }, `version ${each}`)}</li>`)}</ul>` : nothing;
const back = context => { context.state.opened = { ...context.state.opened, way: context.state.opened.way.slice(0, -1) }; context.redraw(); };

export const details = (graph, context) => {
  const way = context.state.opened?.way;
  if (!way) return note("Open a node: its digest, its path, its rows, when it was made, and whether its bytes are still those that were recorded.");
  const entry = way.at(-1);
  return html`<p class="way">${way.map(each => each.title).join(" ← ")} ${way.length > 1 ? html`<button @click=${() => back(context)}>Back</button>` : nothing}
      ${entry.opens ? html`<button @click=${() => verify(context, graph, entry)} ?disabled=${entry.verifying}>${entry.verifying ? "Reading…" : "Verify now"}</button>` : nothing}
      ${entry.verified ? tag(entry.intact ? "every digest holds" : "missing or changed", entry.intact ? "good" : "bad") : nothing}</p>
    ${entry.problem ? html`<p class="bad" role="alert">${entry.problem}</p>` : nothing}${entry.digest ? html`<p>Digest <code>${entry.digest}</code></p>` : nothing}${facts(entry)}${files(entry)}${inputs(entry, context, graph)}${onward(entry, graph)}${folded(entry, context, graph)}`;
};
