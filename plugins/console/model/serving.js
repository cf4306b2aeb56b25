// Who answers: tiles, shares of the traffic, gateways that do not follow, the experiment that holds the traffic.
import { html, nothing } from "../lib.js";
import { note, section, tag, tiles, time } from "../parts.js";
import { day, many, three } from "../words.js";

export const version = (model, number) => model.versions.find(each => each.version === number);
export const served = model => model.route.champion ?? model.champion;  // the route is what the gateway does
export const measured = each => each.origin !== "derived";  // a derived version carries the metrics of the one it was made from

export const summary = model => {
  const champion = version(model, served(model)), decision = model.decisions[0];
  const boosted = champion && measured(champion) && champion.baselines.boosted;
  return tiles([
    ["champion", champion ? `version ${champion.version}` : "none", champion ? champion.semver : "no champion yet"],
    ["metric", champion ? measured(champion) ? three(champion.metrics[model.metric]) : "not evaluated" : "–", `${model.metrics[0]?.title ?? ""}${boosted ? `; gradient boosting ${three(boosted[model.metric])}` : ""}`],
    ["decision", decision ? decision.action : "–", decision ? `as of ${day(decision.as_of)}` : "no decision yet"],
    ["newest", model.partitions.newest || "–", `${many(model.partitions.days)} published`],
  ]);
};

const endpoint = model => {
  const { generation, config, at } = model.target, behind = model.route.generation > generation;
  return html`<p class="note ${behind ? "bad" : ""}">The endpoint follows route ${generation} (${config || "nothing"}) since ${time(at)}${behind ? `; route ${model.route.generation} is not yet in force.` : "."}</p>`;
};
const lag = each => Object.entries(each.refused).map(([number, why]) => `version ${number}: ${why}`).join("; ") || (each.alive ? "does not follow this route yet" : "is silent and not waited for");
// Who follows the route is one line; who does not is named, with why.
const gateways = model => {
  if (model.target.generation) return endpoint(model);
  const alive = model.gateways.filter(each => each.alive), behind = model.gateways.filter(each => !each.alive || (model.route.generation && !each.follows));
  return [note(alive.length ? `Gateways alive: ${alive.map(each => each.name).join(", ")}.` : "No gateway reports itself."),
    behind.map(each => html`<p class="note ${each.alive ? "bad" : ""}">${each.name} ${lag(each)}, heard of ${time(each.heard)}.</p>`)];
};
export const traffic = model => {
  const shares = Object.entries(model.weights), shadow = model.route.shadow, back = model.rollout.live ? model.route.champion : model.route.previous;
  return section("traffic", "Who answers", html`<div class="bar">${shares.length
    ? shares.map(([number, share]) => html`<span class=${Number(number) === model.route.challenger ? "challenger" : ""} .style=${`width:${share}%`} title="version ${number}: ${share} % of the entities">version ${number} · ${share} %</span>`)
    : html`<span class="empty">Nothing is served yet.</span>`}</div>`,
    shadow ? note(`Version ${shadow} sees a copy of every request (shadow).`) : nothing,
    model.route.previous ? note(`A roll back returns to version ${back}.`) : nothing, gateways(model));
};
export const experiment = model => model.experiment.id ? section("experiment", "Experiment",
  html`<p>${model.experiment.name}: version ${model.experiment.treatment} against version ${model.experiment.champion} ${tag(model.experiment.answer || model.experiment.state)}
    <span class="dim">since ${time(model.experiment.started_at)}${model.experiment.ended_at ? html`, until ${time(model.experiment.ended_at)}` : nothing}</span></p>`,
  note([...model.experiment.reasons, `slipstream experiment show ${model.model} ${model.experiment.id}`].join(" · "))) : nothing;
export const ranges = (model, table) => model.ranges.length ? section("ranges", "Ranges of days", table("Ranges of days taken in",
  [{ title: "days", head: true }, { term: "state" }, { title: "how far" }, { title: "not taken in" }],
  model.ranges.map(each => [`${each.first} to ${each.last}`, each.stands, each.words,
    html`<span title=${Object.entries(each.failed).map(([when, why]) => `${when}: ${why}`).join("\n")}>${Object.keys(each.failed).sort().slice(0, 5).join(", ")}</span>`]))) : nothing;
