// The audit, searched: who did what to whom, page by page, and whether the chain is as it was written.
import { get } from "../api.js";
import { html, nothing } from "../lib.js";
import { address, note, section, table, time } from "../parts.js";
import { count, many, stamp } from "../words.js";

const FIELDS = [["subject", "Subject", "a model, or model/..."], ["actor", "Who", "a part of the name"], ["action", "Action", "its beginning: rollout"], ["since", "From", "2026-11-01, UTC"], ["until", "Until, not included", "2026-12-01"], ["text", "Words in the detail", "any"]];
export const title = () => "Audit";
export const every = 60;
const asked = query => Object.fromEntries(FIELDS.map(([name]) => [name, query[name] || ""]).filter(([, text]) => text));
const path = (rest, query) => `audit${rest}?` + new URLSearchParams({ ...asked(query), ...(query.before && !rest ? { before: query.before } : {}) });
export const feeds = query => ({ found: path("", query), chain: "audit/chain" });

const search = event => {
  event.preventDefault();
  location.assign(address("audit", Object.fromEntries([...new FormData(event.target)].map(([name, text]) => [name, text.trim()]))));
};
const form = query => html`<form class="filters" role="search" @submit=${search}>${FIELDS.map(([name, label, hint]) => html`<label>${label}<input name=${name} .value=${query[name] || ""} placeholder=${hint} maxlength="200"></label>`)}<button class="go">Search</button></form>`;

const verify = async context => {
  context.state.verdict = "Reading every row, every seal and every anchor…";
  context.redraw();
  context.state.verdict = await get("audit/verify").then(found => found, error => error.message);
  context.redraw();
};
const verdict = found => typeof found === "string" ? html`<p role="status">${found}</p>` : html`<p role="status" class=${found.intact ? "good" : "bad"}>${found.intact ? "✓ The chain is as it was written: " : "✕ The chain is not as it was written: "}${found.words}</p>
  ${found.first ? html`<p class="bad">The first bad row: ${many(found.first)}. Up to row ${many(found.certain)} all is certain.</p>` : nothing}${Object.entries(found.away || {}).map(([place, why]) => html`<p class="warn">${place}: ${why}</p>`)}
  ${found.findings.slice(0, 10).map(each => html`<p class="bad">${each.id}: ${each.what}</p>`)}`;
const anchors = found => found.problem ? html` <span class="bad">${found.problem}</span>` : found.names.length ? ` Its head is anchored in ${found.names.join(", ")}.` : " Its head is anchored nowhere: SLIPSTREAM_AUDIT_ANCHOR names a place.";
const chain = (known, context) => !known || known.seals === null ? note("Rows about no model, and the chain's state, are for whoever may read Airflow's connections.") : html`<p>${known.newest
  ? html`${count(known.seals, "seal")}; the newest is of row ${many(known.newest.row)}, ${time(known.newest.at)}: up to it the chain was verified then.` : "No row is sealed yet."}${anchors(known.places)}
  <button @click=${() => verify(context)}>Verify now</button></p>${context.state.verdict ? verdict(context.state.verdict) : nothing}`;

const row = each => [many(each.seq), html`<time datetime=${each.at} title=${each.at}>${stamp(each.at)}</time>`, each.actor, each.action, each.subject,
  html`<details><summary>${short(each.detail)}</summary><pre tabindex="0" aria-label="Detail of row ${each.seq}">${JSON.stringify(each.detail, null, 1)}</pre></details>`];
const short = detail => { const text = detail.words || detail.reason || Object.entries(detail).slice(0, 3).map(([name, value]) => `${name} ${typeof value === "object" ? "…" : value}`).join(", ") || "no detail"; return text.length > 90 ? text.slice(0, 90) + "…" : text; };

export const view = ({ found, chain: known }, context) => html`<h1 tabindex="-1">Audit</h1>${chain(known, context)}${form(context.query)}
  ${section("rows", "What was found", found.rows.length ? table("Rows of the audit, the newest first", [{ term: "row", n: true, head: true }, { term: "when" }, { term: "actor" }, { term: "action" }, { term: "subject" }, { term: "what", title: "detail" }], found.rows.map(row)) : note(Object.keys(asked(context.query)).length ? "No row that you may see holds all of that." : "Nothing was done yet that you may see."),
    html`<p class="pager">${context.query.before ? html`<a href=${address("audit", asked(context.query))}>Newest</a>` : nothing}${found.next ? html`<a href=${address("audit", { ...asked(context.query), before: found.next })}>Older</a>` : nothing}
      <a href=${"api/" + path("/export", context.query)} download="audit.jsonl">Export what was found</a></p>`)}`;
