// The registered versions, newest first, and what may be done with each.
import { dossier } from "../dossiers.js";
import { html, nothing } from "../lib.js";
import { note, outward, section, table, tag, time } from "../parts.js";
import { day, stamp, three } from "../words.js";
import { button, restore, rollOut } from "./acts.js";
import { who } from "./audit.js";
import { measured } from "./serving.js";

const ORIGIN = { asset_triggered: "by a retraining decision", manual: "by hand", backfill: "backfill", backfill_to_deploy: "backfill, to be deployed", scheduled: "by schedule" };
const back = (model, each, refresh) => !each.given_up && ["Archived", "Staging"].includes(each.stage) && model.may.roll_back ? html`<div class="acts">
  ${button(true, "Offer again…", () => restore(model, each.version, false, refresh), { title: "It becomes a candidate again; a rollout brings it in" })}
  ${each.stage === "Archived" ? button(true, "Return now…", () => restore(model, each.version, true, refresh), { danger: true, title: "For an emergency: all traffic, at once" }) : nothing}</div>` : nothing;
const bringIn = (model, each, refresh) => each.stage === "Candidate" && model.may.roll_back && !model.rollout.live ? html`<div class="acts">${button(true, "Roll out…", () => rollOut(model, each.version, refresh), { title: "Its rollout begins: smoke test, shadow, canary" })}</div>` : nothing;
const gate = each => measured(each) ? html`${tag(each.gate.passed ? "open" : "closed")}${each.gate.passed ? nothing : html`<div class="note">${each.gate.reasons.join("; ")}</div>`}
  ${each.override ? html`<div class="note bad">opened by hand by ${who(each.override.actor)}, ${stamp(each.override.at)}: ${each.override.reason}</div>` : nothing}` : html`<span class="dim">not evaluated</span>`;

const stage = each => html`${tag(each.stage)}${each.given_up ? html`<div class="note">${each.given_up.words}; it can never be served again${each.given_up.dossier ? html`. Its dossier: ${each.given_up.dossier}` : nothing}</div>` : nothing}
  ${each.held ? html`<div class="note">held by ${who(each.held.actor)} since ${each.held.at.slice(0, 10)}: ${each.held.reason}</div>` : nothing}`;

export const versions = (model, refresh) => section("versions", "Versions", model.versions.length ? table("Registered versions",
  [{ term: "version", head: true }, { term: "stage" }, { term: "as_of" }, ...model.metrics.map(metric => ({ term: "metric", title: metric.title, n: true })), { term: "boosted", n: true }, { term: "gate" }, { term: "made" }, {}],
  model.versions.map(each => {
    const own = measured(each) ? each.metrics : {}, boosted = measured(each) && each.baselines.boosted || {}, cost = (model.costs || {})[each.version];
    return [html`${each.version} (${each.semver})`, stage(each), day(each.as_of), ...model.metrics.map(metric => three(own[metric.name])), three(boosted[model.metric]), gate(each),
      html`${[each.origin, ORIGIN[each.run_type] || each.run_type].filter(Boolean).join(" ")}, ${time(each.created_at)}${cost ? html`<div class="note">${cost.words}</div>` : nothing}`,
      html`${measured(each) && each.report ? outward(each.report, "report") : nothing} ${outward(`${model.links.registry}/versions/${each.version}`, "MLflow")}<div class="note">${dossier(model.model, each.version, model.dossiers[each.version])}</div>${bringIn(model, each, refresh)}${back(model, each, refresh)}`];
  })) : note("None registered yet."), model.registry ? note(`In the registry ${model.registry}`) : nothing);
