// One model: who answers, its rollout, its windows, versions, decisions, and what a person may do.
import { get } from "../api.js";
import { backfill } from "../data/acts.js";
import { html, nothing } from "../lib.js";
import { audit } from "../model/audit.js";
import { button, computeAgain, rollBack, steer, trainNow } from "../model/acts.js";
import { compare } from "../model/compare.js";
import { features } from "../model/features.js";
import { coming, decisions } from "../model/policy.js";
import { rollout } from "../model/rollout.js";
import { experiment, ranges, served, summary, traffic } from "../model/serving.js";
import { versions } from "../model/versions.js";
import { watched } from "../model/windows.js";
import { outward, table } from "../parts.js";

export const title = query => `${query.name || "No model"} · Models`;
const path = query => `models/${encodeURIComponent(query.name || "")}`;
export const feeds = query => ({
  model: path(query), live: `${path(query)}/live`, windows: `${path(query)}/windows`, outlook: `${path(query)}/outlook`, approval: `${path(query)}/approval`, decisions: `${path(query)}/decisions`,
});

const trace = async (model, context) => {
  context.state.trace = "Reading the lineage…";
  context.redraw();
  context.state.trace = await get(`${path(context.query)}/trace`).then(found => found.text, error => error.message);
  context.redraw();
};
const NO_DAG = "Its spec cannot be loaded: it has no DAG to run.";
const acts = (model, context) => {
  const { may } = model, live = model.rollout.live, refresh = context.refresh;
  return html`<div class="acts" role="group" aria-label="Acts">
    <button @click=${() => trace(model, context)} title="From the served version to its raw partitions, parameters and code">Trace</button>
    ${button(may.train, "Train now…", () => trainNow(model, refresh), { needs: "train", idle: model.broken && NO_DAG })}
    ${button(may.backfill, "Take in days…", () => backfill(model.model, [], refresh), { needs: "take in days", idle: model.broken && NO_DAG })}
    ${button(may.recompute, "Compute again…", () => computeAgain(model, refresh), { needs: "have results computed again" })}
    ${live ? button(may.roll_back, model.rollout.state === "paused" ? "Resume rollout…" : "Pause rollout…", () => steer(model, model.rollout.state === "paused" ? "resume" : "pause", refresh), { needs: "pause a rollout" }) : nothing}
    ${live ? button(may.roll_back, "Abort rollout…", () => steer(model, "abort", refresh), { danger: true, needs: "end a rollout" }) : nothing}
    ${button(may.roll_back, "Roll back…", () => rollBack(model, refresh), { danger: true, needs: "roll back", idle: live || model.route.previous ? "" : "There is nothing to return to: no version was in production before." })}</div>`;
};
const links = model => html`<ul class="links">${model.dags.map(dag => html`<li>${outward("../dags/" + dag, dag.slice(model.model.length + 1), { target: "_top" })}</li>`)}
  <li>${outward(model.links.registry, "MLflow")}</li><li>${outward(model.links.jobs, "Ray")}</li></ul>`;
const UNKNOWN = { message: "Not known without its spec." };  // the reason stands above, once
export const view = ({ model, live, windows, outlook, approval, decisions: decided }, { problems: told, ...rest }) => {
  const problems = model.broken ? Object.fromEntries(Object.entries(told).map(([name, problem]) => [name, problem && UNKNOWN])) : told, context = { ...rest, problems };
  return drawn({ model, live, windows, outlook, approval, decided }, context);
};
const drawn = ({ model, live, windows, outlook, approval, decided }, context) => html`
  ${model.broken ? html`<div class="banner bad"><p><strong>Its spec cannot be loaded.</strong> What serves goes on; what is shown is what the stores know.</p><pre tabindex="0" aria-label="Why its spec cannot be loaded">${model.broken}</pre></div>` : nothing}
  <div class="head" id=${model.model} data-champion=${served(model) ?? ""}><div><h1 tabindex="-1">${model.model}</h1><p class="dim">${model.description} Owner: ${model.owner || "unknown"}.</p>${links(model)}</div>${acts(model, context)}</div>
  ${summary(model)}
  ${context.state.trace ? html`<pre tabindex="0" aria-label="Lineage">${context.state.trace}</pre>` : nothing}
  ${traffic(model)}${rollout(model, live, approval, context.problems.live)}${experiment(model)}${watched(windows, context.problems.windows)}${coming(outlook, context.problems.outlook)}${decisions(path(context.query), decided, context)}
  ${versions(model, context.refresh)}${compare(path(context.query), model, context)}${features(model.model, context)}${ranges(model, table)}${audit(model)}`;
