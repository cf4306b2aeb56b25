// What models cost: by model, by version, by thousand predictions. What nobody timed or priced is said, and is in no sum.
import { get } from "../api.js";
import { html, nothing } from "../lib.js";
import { inward, note, section, table } from "../parts.js";
import { count, lasting, many, money } from "../words.js";

export const title = query => query.name ? `${query.name} · Costs` : "Costs";
export const every = 120;
export const feeds = query => query.name ? { model: `costs/${encodeURIComponent(query.name)}` } : { all: "costs" };

const took = (seconds, untimed) => seconds === null ? "unknown" : `${untimed ? "at least " : ""}${lasting(seconds)}`;
const priced = each => each === null || each === undefined ? html`<span class="dim">unknown</span>` : each;
const COLUMNS = [{ term: "model", head: true }, { term: "owner" }, { term: "counted", n: true }, { term: "trainings", n: true }, { term: "last_training", n: true }, { term: "thousand", n: true }, { term: "storage", n: true }];
const line = each => [inward("costs", { name: each.model }, each.model), each.owner, each.versions, html`${each.trainings.words}<div class="note">${took(each.trainings.seconds, each.trainings.untimed)}</div>`,
  each.newest ? html`${each.newest.training}<div class="note">${took(each.newest.seconds, each.newest.untimed)}</div>` : priced(null), priced(each.thousand?.words), priced(each.storage_month)];
const SORTS = { dearest: (a, b) => (b.trainings.money ?? -1) - (a.trainings.money ?? -1), answers: (a, b) => (b.thousand?.money ?? -1) - (a.thousand?.money ?? -1), name: (a, b) => a.model.localeCompare(b.model) };
const everything = (all, context) => {
  const text = (context.query.find || "").toLowerCase(), order = SORTS[context.query.sort] ? context.query.sort : "dearest";
  const found = all.models.filter(each => `${each.model} ${each.owner}`.toLowerCase().includes(text)).sort(SORTS[order]);
  const unknown = all.models.filter(each => !each.versions).length;
  if (!all.models.length && !Object.keys(all.broken).length) return html`<h1 tabindex="-1">Costs</h1>${note("There is no model that you may see.")}`;
  return html`<h1 tabindex="-1">Costs</h1>${unknown ? note(`${count(unknown, "model has", "models have")} no counted version: what ${unknown === 1 ? "it costs" : "they cost"} is unknown.`) : nothing}
    <div class="filters"><label class="wide">Find<input type="search" name="find" .value=${context.query.find || ""} @input=${event => context.choose({ find: event.target.value })} placeholder="a model, an owner"></label>
      <label>Order<select name="sort" @change=${event => context.choose({ sort: event.target.value })}>${[["dearest", "dearest trainings first"], ["answers", "dearest answers first"], ["name", "by name"]].map(([value, words]) => html`<option value=${value} ?selected=${value === order}>${words}</option>`)}</select></label></div>
    ${found.length ? table("Costs by model", COLUMNS, found.map(line)) : note("No model of that name that you may see.")}
    ${Object.entries(all.broken).map(([name, why]) => html`<p class="bad">${name}: ${why}</p>`)}`;
};

const prices = table_ => { const known = [["CPU hour", "cpu_hour"], ["GPU hour", "gpu_hour"], ["GiB hour of memory", "memory_gb_hour"], ["GiB month of storage", "storage_gb_month"]].filter(([, name]) => table_[name] !== null).map(([words, name]) => `${words} ${table_[name]}`);
  return known.length ? `Prices of today${table_.currency ? ` in ${table_.currency}` : ""}: ${known.join(", ")}.` : "No prices are known: the section cost of a spec, or SLIPSTREAM_COST_CPU_HOUR and its kin, give them."; };
const attempts = each => html`<details><summary>${count(each.training.attempts.length, "attempt")}</summary>${table(`Attempts of version ${each.version}`, [{ title: "step", head: true }, { term: "attempt", n: true }, { term: "took", n: true }, { term: "cpu_hours", n: true }, { term: "money", n: true }, { title: "ended for" }],
  each.training.attempts.map(part => [part.step, part.attempt, part.seconds === null ? "unknown" : `${part.at_most ? "at most " : ""}${lasting(part.seconds)}`, part.cpu_hours === null ? "unknown" : part.cpu_hours.toFixed(4), part.money === null ? "unknown" : money(part.money), part.reason]))}</details>`;
const version = each => [html`version ${each.version}`, took(each.words.seconds, each.words.untimed), each.words.training, each.words.thousand, each.words.storage_month, attempts(each)];
const ask = async (model, context) => {
  context.state.served = "Reading the prediction log…";
  context.redraw();
  context.state.served = await get(`costs/${encodeURIComponent(model.model)}/served`).then(found => found, error => error.message);
  context.redraw();
};
const served = (model, context) => section("served", "What answers took", typeof context.state.served === "object" ? (context.state.served.served.length ? table("Answers by version, by the clock of each", [{ term: "version", head: true }, { term: "predictions", n: true }, { term: "seconds", n: true }, { term: "money_most", n: true }],
  context.state.served.served.map(each => [each.version ?? "default answer", many(each.predictions), each.thousand.seconds.toFixed(3), each.thousand.money_at_most === null ? "unknown" : money(each.thousand.money_at_most)])) : note(`Nothing was served since ${context.state.served.since.slice(0, 10)}.`))
  : html`<p>${context.state.served || "By version, of the newest monitoring window's length."} <button @click=${() => ask(model, context)}>Read the log</button></p>`);
const single = (model, context) => html`<h1 tabindex="-1">${model.model}: costs</h1><p class="dim">${prices(model.prices)} ${inward("costs", {}, "All models")} · ${inward("model", { name: model.model }, "The model")}</p>
  ${section("versions", "By version", model.versions.length ? table("Costs by version, the newest first", [{ term: "version", head: true }, { term: "took", n: true }, { term: "cost_training", n: true }, { term: "thousand", n: true }, { term: "storage", n: true }, { term: "attempt", title: "attempts" }], model.versions.map(version)) : note("No version was counted yet: what it costs is unknown."))}
  ${served(model, context)}`;

export const view = ({ all, model }, context) => model ? single(model, context) : everything(all, context);
