// One model: who answers, its rollout, its windows, versions, decisions, and what a person may do.
import { get } from "../api.js";
import { html, nothing } from "../lib.js";
import { audit } from "../model/audit.js";
import { button, computeAgain, rollBack, steer } from "../model/acts.js";
import { rollout } from "../model/rollout.js";
import { experiment, ranges, served, summary, traffic } from "../model/serving.js";
import { versions } from "../model/versions.js";
import { watched } from "../model/windows.js";
import { note, outward, section, table, tag } from "../parts.js";
import { day } from "../words.js";

export const title = query => `${query.name || "No model"} · Models`;
const path = query => `models/${encodeURIComponent(query.name || "")}`;
export const feeds = query => ({ model: path(query), windows: `${path(query)}/windows` });

const trace = async (model, context) => {
  context.state.trace = "Reading the lineage…";
  context.redraw();
  context.state.trace = await get(`${path(context.query)}/trace`).then(found => found.text, error => error.message);
  context.redraw();
};
const acts = (model, context) => {
  const { may } = model, live = model.rollout.live, refresh = context.refresh;
  return html`<div class="acts" role="group" aria-label="Acts">
    <button @click=${() => trace(model, context)} title="From the served version to its raw partitions, parameters and code">Trace</button>
    ${button(may.recompute, "Compute again…", () => computeAgain(model, refresh), { needs: "have results computed again" })}
    ${live ? button(may.roll_back, model.rollout.state === "paused" ? "Resume rollout…" : "Pause rollout…", () => steer(model, model.rollout.state === "paused" ? "resume" : "pause", refresh), { needs: "pause a rollout" }) : nothing}
    ${live ? button(may.roll_back, "Abort rollout…", () => steer(model, "abort", refresh), { danger: true, needs: "end a rollout" }) : nothing}
    ${button(may.roll_back, "Roll back…", () => rollBack(model, refresh), { danger: true, needs: "roll back" })}</div>`;
};
const links = model => html`<ul class="links">${model.dags.map(dag => html`<li>${outward("/dags/" + dag, dag.slice(model.model.length + 1), { target: "_top" })}</li>`)}
  <li>${outward(model.links.registry, "MLflow")}</li><li>${outward(model.links.jobs, "Ray")}</li></ul>`;
const decisions = model => section("decisions", "Decisions", model.decisions.length ? table("Decisions, the newest first", [{ term: "as_of", title: "as of", head: true }, { term: "decision" }, { title: "why" }],
  model.decisions.map(each => [day(each.as_of), tag(each.action), each.evidence.words || each.reasons.join("; ")])) : note("No decision yet."));

export const view = ({ model, windows }, context) => html`
  <div class="head" id=${model.model} data-champion=${served(model) ?? ""}><div><h1 tabindex="-1">${model.model}</h1><p class="dim">${model.description} Owner: ${model.owner}.</p>${links(model)}</div>${acts(model, context)}</div>
  ${summary(model)}
  ${context.state.trace ? html`<pre tabindex="0" aria-label="Lineage">${context.state.trace}</pre>` : nothing}
  ${traffic(model)}${rollout(model)}${experiment(model)}${watched(windows, context.problems.windows)}${decisions(model)}${ranges(model, table)}${versions(model, context.refresh)}${audit(model)}`;
