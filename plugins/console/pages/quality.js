// The state of data: every model and feature set in a line, or one of them partition by partition.
import { html, nothing } from "../lib.js";
import { address, inward, note, outward, section, table, tag, time } from "../parts.js";
import { backfill, look } from "../data/acts.js";
import { count, lasting, many } from "../words.js";

export const title = query => query.name ? `${query.name} · Data quality` : "Data quality";
export const every = 60;
const one = query => `quality/${encodeURIComponent(query.name)}?` + new URLSearchParams(query.last ? { last: query.last } : {});
export const feeds = query => query.name ? { owner: one(query) } : { all: "quality" };

// -- all of them

const COLUMNS = [{ term: "model", title: "owner of the data", head: true }, { term: "verdict", title: "last verdict" }, { term: "newest" }, { term: "late", n: true },
  { term: "open_partitions", n: true }, { term: "quarantined", n: true }, { term: "failed", n: true }];
const verdict = last => last ? html`${tag(last.passed ? "passed" : "failed")} <span class="dim">on ${last.day}, ${time(last.at)}</span>` : html`<span class="dim">none kept</span>`;
const worst = each => (each.failed ? 4 : 0) + (each.late_seconds > 0 ? 2 : 0) + (each.open ? 1 : 0);
const line = each => [html`${inward("quality", { name: each.owner }, each.owner)} <span class="note">${each.kind.replace("_", " ")}, ${each.team}</span>`, verdict(each.last), html`<span title="due: ${each.due || "nothing yet"}">${each.newest || "none"}</span>`,
  each.late_seconds > 0 ? html`<span class="bad">${each.late_at_least ? "at least " : ""}${lasting(each.late_seconds)}</span>` : "–", each.open ? html`<span class="warn">${each.open}</span>` : "0",
  html`<span title="of ${many(each.rows)} rows in the last ${count(each.judged, "verdict")}">${many(each.quarantined)}</span>`, each.failed ? html`<span class="bad">${each.failed}</span>` : "0"];
const everything = (all, context) => {
  const text = (context.query.find || "").toLowerCase(), found = all.owners.filter(each => `${each.owner} ${each.team}`.toLowerCase().includes(text));
  const sorted = [...found].sort((a, b) => worst(b) - worst(a) || a.owner.localeCompare(b.owner));
  if (!all.owners.length && !Object.keys(all.broken).length) return html`<h1 tabindex="-1">Data quality</h1>${note("There is no model and no feature set that you may see.")}`;
  return html`<h1 tabindex="-1">Data quality</h1>
    <div class="filters"><label>Find<input type="search" name="find" .value=${context.query.find || ""} @input=${event => context.choose({ find: event.target.value })} placeholder="a model, a feature set, a team"></label></div>
    ${sorted.length ? table("Data quality by model and feature set, the worst first", COLUMNS, sorted.map(line)) : note("Nothing of that name that you may see.")}
    ${Object.entries(all.broken).map(([name, why]) => html`<p class="bad">${name}: ${why}</p>`)}`;
};

// -- one of them

const STATES = { published: "good", failed: "bad", landed: "warn", "partly landed": "warn", missing: "bad" };
const ruled = (source, each) => html`<li><b>${each.expectation}</b> ${tag({ quarantine: "sets rows aside", stop: "stops", warn: "warns" }[each.on_failure] || each.on_failure, each.on_failure === "stop" ? "bad" : "warn")}
  <span class="dim">${source}: ${each.unexpected ? `${count(each.unexpected, "row")} against it (${Number(each.percent).toPrecision(3)} %)` : "its data docs say what it saw"}</span></li>`;
const failures = found => {
  const sources = Object.entries(found.sources), failed = sources.flatMap(([name, each]) => each.failed.map(check => ruled(name, check)));
  const said = sources.flatMap(([, each]) => each.reasons);
  return html`${failed.length ? html`<details><summary>${count(failed.length, "expectation")} did not hold</summary><ul class="plain">${failed}</ul></details>` : html`<span class="dim">all of ${sources.reduce((sum, [, each]) => sum + each.checks, 0)} hold</span>`}
    ${said.map(reason => html`<div class="bad">${reason}</div>`)}`;
};
const held = found => Object.entries(found.sources).filter(([, each]) => each.quarantined);
const days = (owner, context) => owner.days.map(each => [each.day,
  html`${tag(each.state, STATES[each.state])} <span class="note">${each.state === "published" ? "" : each.words}${each.absent.length ? ` Not landed: ${each.absent.join(", ")}.` : ""}</span>`,
  each.verdict ? html`${tag(each.verdict.passed ? "passed" : "failed")} <span class="dim">${time(each.verdict.at)}</span> ${each.verdict.docs ? outward(`files/${each.verdict.docs}`, "data docs") : nothing}` : html`<span class="dim">${each.no_verdict || "none yet"}</span>`,
  each.verdict ? failures(each.verdict) : nothing,
  each.verdict && held(each.verdict).length ? html`${held(each.verdict).map(([name, source]) => html`<div>${many(source.quarantined)} of ${many(source.rows)} in ${name}</div>`)}
    <button @click=${() => look(owner.owner, each.day, owner.may.take_in, context.refresh)} aria-label="Look… at the rows in quarantine of ${each.day}">Look…</button>` : each.verdict ? "0" : nothing]);
const ACTS = { "quarantine.release": "released quarantine", "features.backfill": "had partitions taken in", invalidate: "had a result computed again", replace_partition: "replaced a published partition" };
const told = detail => [detail.day, detail.first && `${detail.first} to ${detail.last}`, detail.key, detail.reason].filter(Boolean).join(", ");
const acts = owner => section("acts", "Who released, took in and replaced what", owner.acts.length ? table("Acts on this data, the newest first", [{ term: "when" }, { term: "actor" }, { term: "what" }],
  owner.acts.map(each => [time(each.at), each.actor, html`${ACTS[each.action] || each.action} <span class="dim">${each.subject} ${told(each.detail)}</span>`])) : note("Nothing yet."), html`<p>${inward("audit", { subject: owner.owner }, "All of the audit about it")}</p>`);

const single = (owner, context) => html`<div class="head"><div><h1 tabindex="-1">${owner.owner}: data quality</h1><p class="dim">Sources: ${(owner.sources || []).join(", ") || "none"}. ${inward("quality", {}, "All models and feature sets")}</p></div>
    <div class="acts" role="group" aria-label="Acts">${owner.may.take_in ? html`<button @click=${() => backfill(owner.owner, owner.days, context.refresh)}>Backfill a range…</button>` : nothing}</div></div>
  ${section("partitions", "Partitions", owner.days.length ? table("Partitions, the newest first", [{ term: "partition", head: true }, { term: "state" }, { term: "verdict" }, { term: "expectation", title: "expectations" }, { term: "quarantined" }], days(owner, context)) : note("No partition is due yet."),
    html`<p class="pager">${context.query.last ? html`<a href=${address("quality", { name: owner.owner })}>Newest</a>` : nothing}${owner.older ? html`<a href=${address("quality", { name: owner.owner, last: owner.older })}>Older, from ${owner.older}</a>` : nothing}</p>`)}
  ${acts(owner)}`;

export const view = ({ all, owner }, context) => owner ? single(owner, context) : everything(all, context);
