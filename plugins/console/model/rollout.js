// The rollout, stage by stage: what was decided, and of the running one how far its evidence is, rail by rail.
import { chart } from "../chart.js";
import { html, nothing, repeat } from "../lib.js";
import { inward, note, outward, reading, section, table, tag, tiles, time } from "../parts.js";
import { count, many, plain, share, staged, three, until } from "../words.js";

const decided = entry => {
  const numbers = entry.evidence.numbers || {}, words = (entry.evidence.reasons || []).join("; ") || entry.evidence.reason || "";
  const compared = numbers.champion_requests ? `Errors ${numbers.errors} of ${many(numbers.requests)}; champion ${numbers.champion_errors} of ${many(numbers.champion_requests)}. ` : "";
  const apart = typeof numbers.difference === "number" ? `Answers differ by ${three(numbers.difference)}. ` : "";
  return html`<span class="dim">${compared + apart + (compared && entry.evidence.answer === "promote" ? "" : words)}</span>`;
};
const enough = live => live.needed ? html`<meter max=${live.needed} value=${Math.min(live.requests, live.needed)} aria-label="requests seen of those needed"></meter>
  <span class="dim">${live.requests > live.needed ? `${count(live.requests, "request")}, ${many(live.needed)} were needed` : `${many(live.requests)} of ${many(live.needed)} requests`}</span>` : html`<span class="dim">${count(live.requests || 0, "request")}</span>`;
const running = live => live === undefined ? html`<span class="dim">reading the evidence…</span>` : live.paused
  ? html`<span class="warn">paused by ${live.paused.actor}</span>${live.begun ? enough(live) : nothing}` : live.begun ? enough(live) : html`<span class="dim">${live.words || "entered"}</span>`;

const STATES = { failed: ["✕", "failed"], now: ["●", "running"], done: ["✓", "passed"] };
const step = (model, name, live) => {
  const events = model.events.filter(each => each.stage === name), verdict = events.find(each => each.event === "verdict");
  const at = model.rollout, failed = verdict?.evidence.answer === "roll_back" || (at.state === "rolled_back" && at.stage === name);
  const now = at.live && at.stage === name, state = failed ? "failed" : now ? "now" : events.length ? "done" : "";
  const [mark, said] = STATES[state] || ["", ""];
  return html`<li class=${state} aria-current=${now ? "step" : nothing}><b><span aria-hidden="true">${mark} </span>${staged(name)}<span class="unseen"> ${said}</span></b>
    ${verdict ? decided(verdict) : now ? running(live) : html`<span class="dim">${events.length ? "entered" : "–"}</span>`}</li>`;
};

// One rail: the count so far against the boundary, as both grew with the slices of the stage.
const rail = each => html`<div>${chart({
  label: each.name, height: 190, axis: "slice", names: each.slices.map(String),
  sentence: each.limit === null ? `${each.seen} of ${many(each.of)} so far; no count could reach a boundary yet.` : `${each.seen} of ${many(each.of)} so far; ${each.limit} would end the rollout: ${share(each.used)} used up.`,
  lines: [{ label: "seen", kind: "steps", color: "--accent", values: each.hits }, { label: "boundary", kind: "dashed", color: "--bad", values: each.limits }],
})}<p class="note">${each.name}</p></div>`;
const rails = live => live.rails?.length ? [table("Rails and their boundaries", [{ term: "rail", head: true }, { term: "rail_seen", n: true }, { term: "rail_of", n: true }, { term: "boundary", n: true }, { term: "nearness" }],
  live.rails.map(each => [each.name, many(each.seen), many(each.of), each.limit === null ? "out of reach" : many(each.limit),
    each.used === null ? "–" : html`<meter max="1" low="0.5" high="0.8" optimum="0" value=${Math.min(1, each.used)} aria-label="used up"></meter><span class=${each.used > .8 ? "bad" : nothing}>${share(each.used)}</span>`])),
  html`<div class="charts">${repeat(live.rails, each => each.name, rail)}</div>`] : nothing;

const stage = live => live?.begun ? html`<h3>The stage ${staged(live.stage)} now</h3>
  ${tiles([["requests", many(live.requests), `of ${many(live.needed)} needed; champion ${many(live.champion.requests)}`], ["entities", many(live.entities), `champion ${many(live.champion.entities)}`],
    ["errors", many(live.errors), `champion ${many(live.champion.errors)}`],
    ["deadline", live.deadline ? html`<time datetime=${live.deadline}>${until(live.deadline)}</time>` : "stands still", live.deadline ? `then: ${plain(live.at_deadline)}` : "while it is paused"]])}
  <p>The judge: ${plain(live.answer)}. <span class="dim">${live.words}</span></p>${rails(live)}` : nothing;

// What waits for persons, and what was said of the version so far; the answer is given on the page of approvals.
const asked = approval => approval?.waiting ? html`<p class="warn"><strong>Waits for ${count(approval.waiting.missing, "person")}</strong> before it goes on: ${inward("approvals", {}, "look and answer")}.
  ${approval.said.filter(each => each.person).map(each => html`<span class="dim">${each.person.name} ${each.event} it ${time(each.at)}: ${each.reason}. </span>`)}</p>` : nothing;

export const rollout = (model, live, approval, problem) => model.rollout.id ? section("rollout", "Rollout",
  html`<p>Version ${model.rollout.challenger} ${tag(model.rollout.state)} <span class="dim">${model.rollout.live ? "since " : ""}${time(model.rollout.live ? model.rollout.created_at : model.rollout.updated_at)}</span>
    ${outward(`api/models/${model.model}/rollouts/${model.rollout.id}`, "evidence against its boundaries")}</p>`,
  live?.paused ? html`<p class="warn">Paused by ${live.paused.actor} ${time(live.paused.at)}: ${live.paused.reason}</p>` : model.rollout.reason ? html`<p class="bad">${model.rollout.reason}</p>` : nothing,
  asked(approval), html`<ol class="steps">${model.stages.map(name => step(model, name, live))}</ol>`, model.rollout.live ? (live || !problem ? stage(live) : reading(problem)) : nothing) : section("rollout", "Rollout", note("None yet."));
