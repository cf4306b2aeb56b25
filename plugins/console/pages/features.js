// The catalogue of features: type, whose they are, how fresh, who uses them, what their values look like; a page of owners at a time.
import { get } from "../api.js";
import { html, nothing } from "../lib.js";
import { address, inward, note, outward, section, table } from "../parts.js";
import { count, lasting } from "../words.js";

export const title = () => "Features";
export const every = 60;
const asked = query => new URLSearchParams(Object.entries({ find: query.find || "", offset: query.offset || "" }).filter(([, text]) => text)).toString();
export const feeds = query => ({ features: "features" + (asked(query) ? `?${asked(query)}` : "") });

const users = each => [...each.models, ...each.live.map(reader => `${reader.model} version ${reader.version} (${reader.roles.join(", ") || "routed"}${reader.pins === each.version ? "" : ", another definition"})`), each.others ? `${each.others} more` : ""].filter(Boolean).join(", ") || "nobody";
const quantile = value => typeof value === "number" ? value.toPrecision(3) : String(value);
export const values = profile => profile.rows === undefined ? "" : [`${(100 * profile.null_share).toFixed(1)} % missing`, (profile.quantiles || []).map(quantile).join(" · ") || (profile.commonest || []).join(", ")].filter(Boolean).join("; ");
const COLUMNS = [{ term: "feature", head: true }, { term: "view" }, { term: "dtype" }, { term: "age" }, { term: "promise" }, { term: "users" }, { title: "version" }, { term: "values" }];
const rows = (entries, seen) => entries.map(each => [html`<span title=${each.description}>${each.feature}</span>`, html`<span title="by ${each.keys.join(", ")}">${each.view}</span>`, each.dtype,
  html`<span class=${each.stale ? "bad" : nothing} title=${each.newest || "nothing is online"}>${each.age === null ? "unknown" : lasting(each.age)}${each.stale ? " stale" : ""}</span>`, lasting(each.promise), users(each), html`<code title="digest of its SQL: ${each.sql}">${each.version}</code>`, seen?.[`${each.view}.${each.feature}`] ?? ""]);

const owner = (name, entries, context) => {
  const profiles = context.state.profiles ??= {}, [first] = entries;
  const ask = async () => {
    profiles[name] = {};
    try {
      const found = await get(`features/${encodeURIComponent(name)}`);
      profiles[name] = Object.fromEntries(found.features.map(each => [`${each.view}.${each.feature}`, values(each.profile) || "not known"]));
    } catch (error) { context.state.problem = error.message; delete profiles[name]; }
    context.redraw();
  };
  return section(`of-${name}`, name, html`<p class="dim">${first.kind.replace("_", " ")} of ${first.team}; ${count(entries.length, "feature")}; ${first.day ? `newest partition ${first.day}` : "nothing is published yet"}; from ${first.sources.join(", ")}.${first.tags.length ? ` Tags: ${first.tags.join(", ")}.` : ""}
      ${inward("quality", { name }, "Data quality")}${first.kind === "model" ? html` · ${inward("lineage", { name }, "Lineage")}` : nothing} · ${outward(`../dags/${name}_features`, "DAG", { target: "_top" })}
      <button @click=${ask} aria-label="Values of the features of ${name}">Values</button></p>`, table(`Features of ${name}`, COLUMNS, rows(entries, profiles[name])));
};
const search = event => { event.preventDefault(); location.assign(address("features", { find: new FormData(event.target).get("find").trim() })); };

export const view = ({ features }, context) => {
  const byOwner = Map.groupBy(features.features, each => each.owner), to = Math.min(features.offset + byOwner.size, features.owners);
  return html`<h1 tabindex="-1">Features</h1>
    <form class="filters" role="search" @submit=${search}><label class="wide">Find<input type="search" name="find" .value=${context.query.find || ""} maxlength="100" placeholder="an owner, a team, a view, a feature"></label><button class="go">Search</button></form>
    ${context.state.problem ? html`<p class="bad" role="alert">${context.state.problem}</p>` : nothing}
    ${byOwner.size ? html`<p class="dim">${features.owners > byOwner.size ? `Owners ${features.offset + 1} to ${to} of ${features.owners}.` : count(byOwner.size, "owner")}</p>${[...byOwner].map(([name, entries]) => owner(name, entries, context))}` : note(context.query.find ? "There are no features of that name that you may see." : "There are no features that you may see.")}
    <p class="pager">${features.offset ? html`<a href=${address("features", { find: context.query.find })}>First</a>` : nothing}${features.next !== null ? html`<a href=${address("features", { find: context.query.find, offset: features.next })}>Next owners</a>` : nothing}</p>
    ${Object.entries(features.broken).map(([name, why]) => html`<p class="bad">${name}: ${why}</p>`)}`;
};
