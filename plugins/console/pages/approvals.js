// Rollouts that wait for persons: what they carry, until when, who may answer, and the yes or no.
import { post } from "../api.js";
import { ask, REASON } from "../dialog.js";
import { dossier } from "../dossiers.js";
import { html, nothing } from "../lib.js";
import { inward, note, outward, section, table, tag, time } from "../parts.js";
import { count, day, lasting, plain, staged, stamp, three, until } from "../words.js";

export const title = () => "Approvals";
export const feeds = () => ({ waiting: "approvals" });

const about = each => `version ${each.version} of ${each.model}`;
const LATE = { roll_back: "then it is rolled back", wait: "then somebody is called" };
const answer = (each, yes, refresh) => ask({
  act: `${yes ? "approve" : "reject"}/${each.model}/${each.version}/${each.seen.slice(0, 12)}`, title: `${yes ? "Approve" : "Reject"} ${about(each)}`, danger: !yes, button: yes ? "Approve" : "Reject",
  happens: yes ? `It ${each.words}. You say yes${each.missing > 1 ? `; ${count(each.missing - 1, "more person", "more persons")} must as well` : ""}. What you approve is ${each.seen.slice(0, 12)}: a version that is evaluated again is another.`
    : `Its rollout ends, and ${each.champion === null ? "the default answer" : `version ${each.champion}`} answers everyone.`,
  safe: yes ? "no other stage is skipped, and the judge goes on looking: it may still roll back." : "the version stays registered, and may be offered again.",
  fields: [{ ...REASON, most: 2000, type: "area", label: "Why? It stands beside the version from now on." }],
  send: async given => {
    const done = await post(`models/${encodeURIComponent(each.model)}/approval`, { version: each.version, answer: yes ? "approve" : "reject", reason: given.reason, seen: each.seen });
    return !done.approved ? `Rejected: ${about(each)} is rolled back.` : done.missing ? `Approved by ${done.by}; ${count(done.missing, "person", "persons")} more ${done.missing === 1 ? "is" : "are"} asked.` : `Approved by ${done.by}: the rollout goes on.`;
  },
}).then(refresh);

const button = (each, yes, refresh) => html`<button class=${yes ? "go" : "danger"} ?disabled=${Boolean(each.why_not[yes ? "approve" : "reject"])} title=${each.why_not[yes ? "approve" : "reject"] || nothing}
  aria-label="${yes ? "Approve" : "Reject"}… ${about(each)}" @click=${() => answer(each, yes, refresh)}>${yes ? "Approve…" : "Reject…"}</button>`;
const whom = each => `${count(each.missing, "person", "persons")}${each.terms.role ? ` of the role ${each.terms.role}` : ""}${each.terms.users.length ? `: ${each.terms.users.join(", ")}` : ""}`;
const trainer = each => each.trained_by === null ? "not known: by an event from outside, by another DAG, or under an earlier release" : each.trained_by || "no person: a clock or an event started it";
const facts = each => table(`What is known of ${about(each)}`, [{ title: "what", head: true }, { title: "value" }], [["it", each.words], ["still asked", whom(each)], ["since", time(each.asked_at)], ["until", html`<time datetime=${each.until} title=${stamp(each.until)}>${until(each.until)}</time>, ${LATE[each.terms.at_deadline] || ""}`], ["answers now", each.champion === null ? "nobody: it is the first version" : `version ${each.champion}`], ["data until", each.as_of ? day(each.as_of) : "unknown"], ["training triggered by", trainer(each)], ["gate of its evaluation", each.override ? html`${tag("closed")} <span class="bad">${each.override}</span>` : html`${tag(each.gate.passed ? "open" : "closed")} ${(each.gate.reasons || []).join("; ")}`], ["what is approved", html`<code title=${each.seen}>${each.seen.slice(0, 16)}</code>`]]);
const metrics = each => Object.keys(each.metrics).length ? table(`Metrics of ${about(each)}`, [{ term: "metric", head: true }, { term: "metric", title: "this version", n: true }, { term: "metric", title: "champion", n: true }], Object.entries(each.metrics).map(([name, pair]) => [plain(name), three(pair.version), three(pair.champion)])) : note("No metric is known of it.");
const evidence = each => each.evidence.length ? table(`Stages of the rollout of ${about(each)}`, [{ term: "stage", title: "stage", head: true }, { title: "verdict" }, { title: "why" }], each.evidence.map(stage => [staged(stage.stage), tag(stage.answer === "promote" ? "passed" : stage.answer), stage.reasons.join("; ")])) : note("No stage was decided yet.");
const said = each => [...each.approvals.map(one => html`<p>${tag("passed")} ${one.person.name}, ${time(one.at)}: ${one.reason}</p>`), ...each.changed.map(one => html`<p>${tag("stale")} ${one.person.name} approved what it was before ${each.doubts.length ? "the judge doubted it" : "it changed"}: ${one.reason}</p>`)];
const doubts = each => each.doubts.map(one => html`<p class="bad">${tag("doubted")} Since ${time(one.at)} the judge would not let it pass ${staged(one.stage)}: ${one.words}</p>`);

const card = (each, context) => section(`of-${each.model}`, `${each.model}, version ${each.version} (${each.semver})`,
  html`<div class="acts" role="group" aria-label="Answers about ${about(each)}">${button(each, true, context.refresh)}${button(each, false, context.refresh)}</div>
    ${[...new Set(Object.values(each.why_not).filter(Boolean))].map(why => html`<p class="warn">${why}</p>`)}
    ${Date.parse(each.until) < Date.now() ? html`<p class="bad">The deadline has passed ${lasting((Date.now() - Date.parse(each.until)) / 1000)} ago.</p>` : nothing}${doubts(each)}${said(each)}
    <p class="dim">While persons think the judge looks on: where the evidence turns against the version, it is rolled back at once.</p>`,
  html`<div class="charts"><div>${facts(each)}</div><div>${metrics(each)}</div></div>${evidence(each)}
    <p>${inward("model", { name: each.model }, "The model")} · ${inward("lineage", { name: each.model, version: each.version }, "Its lineage")} · ${outward(`api/models/${each.model}/rollouts/${each.rollout}`, "Evidence against its boundaries")} · ${dossier(each.model, each.version, each.dossiers.kept)}</p>
    ${each.dossiers.kept.length ? nothing : html`<p class="note">To read all that is known of it as one signed file: <code>${each.dossiers.command}</code></p>`}`);

export const view = ({ waiting }, context) => html`<h1 tabindex="-1">Approvals</h1>
  ${waiting.length ? html`<p class="dim">${count(waiting.length, "rollout waits", "rollouts wait")} for persons; what is due first comes first.</p>` : note("No rollout that you may see waits for a person.")}${waiting.map(each => card(each, context))}`;
