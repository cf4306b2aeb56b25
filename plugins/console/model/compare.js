// Two versions side by side: what differs in data, parameters, code, features and metrics.
import { get } from "../api.js";
import { html, nothing } from "../lib.js";
import { note, section, table, tag } from "../parts.js";
import { count, day, three } from "../words.js";

const MOST = 40;  // rows of a list that are shown at first
const short = text => text.length > 16 ? html`<code title=${text}>${text.slice(0, 12)}…</code>` : text ? html`<code>${text}</code>` : "–";
const change = row => row.before && row.after ? tag("changed", "warn") : row.after ? tag("added", "good") : tag("removed", "bad");
const changes = (caption, rows, shown = short) => rows.length ? html`${table(caption, [{ title: "name", head: true }, { title: "change" }, { title: "before" }, { title: "after" }],
  rows.slice(0, MOST).map(row => [row.name, change(row), shown(row.before), shown(row.after)]))}${rows.length > MOST ? note(`and ${rows.length - MOST} more`) : nothing}` : nothing;
const text = value => value || "–";

const part = (found, draw) => found.problem ? html`<p class="bad">${found.problem}</p>` : draw(found);
const data = found => html`<p>${found.same ? "The same training set, byte for byte." : `${count(found.unchanged, "partition")} the same, ${count(found.partitions.length, "partition")} not.`}</p>
  ${table("What the training sets count", [{ title: "count", head: true }, { term: "before", n: true }, { term: "after", n: true }], found.facts.map(fact => [fact.name.replaceAll("_", " "), fact.before ?? "–", fact.after ?? "–"]))}
  ${found.partitions.length ? html`<details><summary>${count(found.partitions.length, "partition")} with their digests</summary>${changes("Partitions that differ", found.partitions)}</details>` : nothing}`;
const parameters = found => html`<p>${count(found.unchanged, "parameter")} the same${found.changed.length ? ":" : ", none changed."}</p>${changes("Parameters that differ", found.changed, text)}`;
const code = found => html`<p>Commit ${short(found.commit.before)} before, ${short(found.commit.after)} after. ${found.same ? "The code's digest is the same." : "The code's digest differs."}
  ${found.known ? nothing : "Which modules differ is not known: a release before kept no list of them."}</p>${changes("Modules that differ, by digest", found.modules)}`;
const features = found => found.inputs.length || found.views.length ? html`${changes("Inputs of the model that differ", found.inputs, text)}${changes("Views that differ, by version", found.views)}` : html`<p>The same inputs, and the same versions of their views.</p>`;
const metrics = found => html`<p>${found.same_holdout ? "On the same holdout." : "Each on its own holdout: two measurements, not one comparison."}</p>
  ${table("Metrics side by side", [{ term: "metric", head: true }, { term: "before", n: true }, { term: "after", n: true }, { term: "difference", n: true }],
    found.rows.map(row => [row.name.replaceAll("_", " "), three(row.before), three(row.after), typeof row.before === "number" && typeof row.after === "number" ? (row.after >= row.before ? "+" : "−") + Math.abs(row.after - row.before).toFixed(4) : "–"]))}`;

const ask = async (path, context, before, after) => {
  const held = context.state.compared = { before, after, found: null, problem: "" };
  context.choose({ before, after });
  try { held.found = await get(`${path}/compare?before=${before}&after=${after}`); } catch (error) { held.problem = error.message; }
  if (context.state.compared === held) context.redraw();
};
const drawn = found => html`<div class="diff"><p><strong>Version ${found.before.version}</strong> (${found.before.semver}, ${found.before.stage}, data until ${day(found.before.as_of)}) before,
  <strong>version ${found.after.version}</strong> (${found.after.semver}, ${found.after.stage}, data until ${day(found.after.as_of)}) after.</p>
  ${[["Metrics", metrics, found.metrics], ["Data", data, found.data], ["Parameters", parameters, found.parameters], ["Features", features, found.features], ["Code", code, found.code]].map(([title, draw, held]) => html`<h3>${title}</h3>${part(held, draw)}`)}</div>`;

export const compare = (path, model, context) => {
  const numbers = model.versions.map(each => each.version), champion = model.route.champion ?? model.champion ?? numbers[0];
  if (numbers.length < 2) return nothing;
  const after = Number(context.query.after) || numbers[0], before = Number(context.query.before) || (champion !== after ? champion : numbers[1]);
  if (!context.state.compared && context.query.after) ask(path, context, before, after);
  const held = context.state.compared, choice = (name, now) => html`<select name=${name}>${model.versions.map(each => html`<option value=${each.version} ?selected=${each.version === now}>version ${each.version} (${each.semver}), ${each.stage}</option>`)}</select>`;
  const submit = event => { event.preventDefault(); ask(path, context, Number(event.target.before.value), Number(event.target.after.value)); };
  return section("compare", "Two versions side by side", html`<form class="filters" @submit=${submit}><label>Before${choice("before", before)}</label><label>After${choice("after", after)}</label><button>Compare</button></form>
    <div aria-live="polite">${held ? held.problem ? html`<p class="bad" role="alert">${held.problem}</p>` : held.found ? drawn(held.found) : note("Comparing…") : nothing}</div>`);
};
