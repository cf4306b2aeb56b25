// The rollout, stage by stage: what was decided, and of the running one how far its evidence is.
import { html, nothing } from "../lib.js";
import { note, outward, section, tag, time } from "../parts.js";
import { many, plain, three } from "../words.js";

const evidence = entry => {
  const numbers = entry.evidence.numbers || {}, words = (entry.evidence.reasons || []).join("; ") || entry.evidence.reason || "";
  const enough = numbers.needed ? html`<meter max=${numbers.needed} value=${Math.min(numbers.requests, numbers.needed)} aria-label="requests of those needed" title="${numbers.requests} of ${numbers.needed} requests"></meter>` : nothing;
  const compared = numbers.champion_requests ? `Errors ${numbers.errors} of ${many(numbers.requests)}; champion ${numbers.champion_errors} of ${many(numbers.champion_requests)}. ` : "";
  const apart = typeof numbers.difference === "number" ? `Answers differ by ${three(numbers.difference)}. ` : "";
  return html`${enough}<span class="dim">${compared + apart + (compared && entry.evidence.answer === "promote" ? "" : words)}</span>`;
};
const STATES = { failed: ["✕", "failed"], now: ["●", "running"], done: ["✓", "passed"] };
const step = (model, name) => {
  const events = model.events.filter(each => each.stage === name), verdict = events.find(each => each.event === "verdict");
  const at = model.rollout, failed = verdict?.evidence.answer === "roll_back" || (at.state === "rolled_back" && at.stage === name);
  const now = at.live && at.stage === name, state = failed ? "failed" : now ? "now" : events.length ? "done" : "";
  const [mark, said] = STATES[state] || ["", ""];
  return html`<li class=${state} aria-current=${now ? "step" : nothing}><b><span aria-hidden="true">${mark} </span>${plain(name)}${/\d/.test(name) ? " %" : ""}<span class="unseen"> ${said}</span></b>
    ${verdict ? evidence(verdict) : html`<span class="dim">${now ? "collecting evidence…" : events.length ? "entered" : "–"}</span>`}</li>`;
};
export const rollout = model => model.rollout.id ? section("rollout", "Rollout",
  html`<p>Version ${model.rollout.challenger} ${tag(model.rollout.state)} <span class="dim">${model.rollout.live ? "since " : ""}${time(model.rollout.live ? model.rollout.created_at : model.rollout.updated_at)}</span>
    ${outward(`api/models/${model.model}/rollouts/${model.rollout.id}`, "evidence against its boundaries")}</p>`,
  model.rollout.reason ? html`<p class="bad">${model.rollout.reason}</p>` : nothing,
  html`<ol class="steps">${model.stages.map(name => step(model, name))}</ol>`) : section("rollout", "Rollout", note("None yet."));
