// All models that the reader may see: how each is, worst first; sorted, and filtered by text, owner and health.
import { html, nothing, repeat } from "../lib.js";
import { inward, line, note, tableHead, tag, tiles, time } from "../parts.js";
import { count, day, many, money, plain, share, staged, three } from "../words.js";

export const title = () => "Models";
export const feeds = () => ({ fleet: "fleet" });

const WORST = ["failing", "worse", "drift", "stale", "waiting", "healthy"];
const moved = each => each.window.critical ? each.window.drift / each.window.critical : null;
const COLUMNS = [
  { term: "model", key: "model", head: true }, { term: "health", key: "health" }, { term: "champion", key: "champion", n: true }, { term: "freshness", key: "data_until" },
  { term: "performance", key: "performance", n: true }, { term: "expected", n: true }, { term: "drift", key: "drift", n: true }, { term: "decision", key: "decision" },
  { term: "rollout", key: "rollout" }, { term: "alerts", key: "alerts", n: true }, { term: "cost_training", key: "cost_training", n: true }, { term: "cost_answers", key: "cost_answers", n: true }, { term: "owner", key: "owner" },
];
// What a column is sorted by: nothing known comes last, whichever way.
const VALUE = {
  model: each => each.model, health: each => WORST.indexOf(each.health), champion: each => each.champion, data_until: each => each.data_until || null,
  performance: each => each.window.value ?? null, drift: moved, decision: each => each.decision.action || null, rollout: each => each.rollout.stage || null, alerts: each => each.alerts.length,
  cost_training: each => each.cost.training ?? null, cost_answers: each => each.cost.thousand ?? null, owner: each => each.owner || null,
};
const sorted = (models, by, down) => {
  const value = VALUE[by], way = down ? -1 : 1, known = each => value(each) !== null && value(each) !== undefined;
  const compared = (a, b) => { const [x, y] = [value(a), value(b)]; return typeof x === "string" ? x.localeCompare(y) : x - y; };
  return [...models].sort((a, b) => known(b) - known(a) || (known(a) ? way * compared(a, b) : 0) || a.model.localeCompare(b.model));
};
const chosen = (models, { text = "", owner = "", health = "" }) => models.filter(each => (!owner || each.owner === owner) && (!health || each.health === health)
  && text.toLowerCase().split(/\s+/).every(word => `${each.model} ${each.owner} ${each.description} ${each.health}`.toLowerCase().includes(word)));

const priced = (amount, cost) => typeof amount === "number" ? html`<span title=${cost.words}>${money(amount, cost.unit)}</span>` : html`<span class="dim" title=${cost.words || nothing}>unknown</span>`;
const cells = each => [
  inward("model", { name: each.model }, each.model), html`<span title=${each.why}>${tag(each.health)}</span>`, each.champion ? html`<span title=${each.semver}>${each.champion}</span>` : "none",
  html`<span class="fresh">${day(each.data_until)}</span> ${each.late ? html`<span class="bad">late</span>` : nothing}<span class="note" title="${many(each.published)} published, last ${each.published_at}"> ${each.published_at ? time(each.published_at) : nothing}</span>`,
  html`<span title=${each.window.performance || nothing}>${each.window.metric && typeof each.window.value === "number" ? html`<span class="dim">${plain(each.window.metric)}</span> ` : nothing}${three(each.window.value)}</span>`, three(each.window.expected),
  html`<span class=${each.window.drift_verdict === "drift" ? "bad" : nothing}>${share(moved(each))}${each.window.drift_verdict === "drift" ? " drift" : ""}</span>`,
  each.decision.action ? html`<span title=${each.decision.words}>${tag(each.decision.action)} <span class="note fresh">${day(each.decision.as_of)}</span></span>` : "–",
  each.rollout.id ? html`version ${each.rollout.challenger} in ${staged(each.rollout.stage)} ${each.rollout.state === "running" ? nothing : tag(each.rollout.state)}` : "–",
  each.alerts.length ? html`<span class="bad" title=${each.alerts.join("; ")}>${each.alerts.length}</span>` : "0", priced(each.cost.training, each.cost), priced(each.cost.thousand, each.cost), each.owner,
];

const filters = (models, query, choose) => {
  const owners = [...new Set(models.map(each => each.owner))].filter(Boolean).sort(), option = (value, words, now) => html`<option value=${value} ?selected=${value === now}>${words}</option>`;
  return html`<form class="filters" role="search" aria-label="Filter the models" @submit=${event => event.preventDefault()}>
    <label class="wide">Text<input type="search" name="text" .value=${query.text || ""} @input=${event => choose({ text: event.target.value })} placeholder="name, owner, description"></label>
    <label>Owner<select name="owner" @change=${event => choose({ owner: event.target.value })}>${option("", "everybody", query.owner || "")}${owners.map(each => option(each, each, query.owner))}</select></label>
    <label>Health<select name="health" @change=${event => choose({ health: event.target.value })}>${option("", "any", query.health || "")}${WORST.map(each => option(each, each, query.health))}</select></label></form>`;
};

export const view = ({ fleet }, { query, choose }) => {
  const by = VALUE[query.by] ? query.by : "health", down = query.down === "yes", shown = sorted(chosen(fleet.models, query), by, down);
  const sort = key => choose({ by: key, down: key === by && !down ? "yes" : "" });
  if (!fleet.models.length) return html`<h1 tabindex="-1">Models</h1>${note(html`There is no model that you may see. <code>slipstream new NAME</code> makes one: a folder of a place of SLIPSTREAM_MODELS, by default include/models/.`)}`;
  return html`<h1 tabindex="-1">Models</h1>
    ${tiles([["models", many(fleet.models.length)], ...WORST.filter(each => fleet.counts[each]).map(each => [`health_${each}`, many(fleet.counts[each]), "", { failing: "bad", worse: "bad", drift: "warn", stale: "warn" }[each]])])}
    ${filters(fleet.models, query, choose)}<p class="note" role="status">${shown.length === fleet.models.length ? count(shown.length, "model") : `${many(shown.length)} of ${count(fleet.models.length, "model")}`}</p>
    <div class="scroll" role="region" aria-label="Models" tabindex="0"><table class="stacks" role="table"><caption class="unseen">Models, sorted by ${plain(by)}</caption>
      ${tableHead(COLUMNS, { by, down }, sort)}<tbody role="rowgroup">${repeat(shown, each => each.model, each => line(COLUMNS, cells(each)))}</tbody></table></div>`;
};
