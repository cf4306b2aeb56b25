// The catalogue of features: whose they are, how fresh, who uses them.
import { get } from "../api.js";
import { html, nothing } from "../lib.js";
import { note, table } from "../parts.js";
import { lasting } from "../words.js";

export const title = () => "Features";
export const feeds = () => ({ features: "features" });
export const every = 60;

const users = each => [...each.models, ...each.live.map(reader => `${reader.model} version ${reader.version}`), each.others ? `${each.others} more` : ""].filter(Boolean).join(", ") || "nobody";
export const values = profile => profile.rows === undefined ? "" : [`${(100 * profile.null_share).toFixed(1)} % missing`, (profile.quantiles || []).map(value => value.toPrecision(3)).join(" · ") || (profile.commonest || []).join(", ")].filter(Boolean).join("; ");
const COLUMNS = [{ term: "feature", head: true }, { term: "owner" }, { term: "view" }, { term: "dtype" }, { term: "age" }, { term: "promise" }, { term: "users" }, { title: "version" }, { term: "values" }];
const rows = (entries, profiles, ask) => entries.map(each => [html`<span title=${each.description}>${each.feature}</span>`,
  html`<span title="${each.team}; sources ${each.sources.join(", ")}; published until ${each.day || "–"}; ${each.tags.join(", ")}">${each.owner}</span> <span class="note">${each.kind.replace("_", " ")}</span>`,
  html`<span title="by ${each.keys.join(", ")}">${each.view}</span>`, each.dtype, html`<span class=${each.stale ? "bad" : nothing} title=${each.newest}>${lasting(each.age)}${each.stale ? " stale" : ""}</span>`, lasting(each.promise), users(each),
  html`<span title="SQL ${each.sql}">${each.version}</span>`, profiles[each.owner]?.[`${each.view}.${each.feature}`] ?? html`<button @click=${() => ask(each.owner)} aria-label="values of ${each.owner}'s features">Values</button>`]);

export const view = ({ features }, context) => {
  const profiles = context.state.profiles ??= {};
  const ask = async owner => {
    try {
      const found = await get(`features/${encodeURIComponent(owner)}`);
      profiles[owner] = Object.fromEntries(found.features.map(each => [`${each.view}.${each.feature}`, values(each.profile) || "–"]));
    } catch (error) { context.state.problem = error.message; }
    context.redraw();
  };
  return html`<h1 tabindex="-1">Features</h1>${context.state.problem ? html`<p class="bad" role="alert">${context.state.problem}</p>` : nothing}
    ${features.features.length ? table("Features", COLUMNS, rows(features.features, profiles, ask)) : note("There are no features that you may see.")}
    ${Object.entries(features.broken).map(([name, why]) => html`<p class="bad">${name}: ${why}</p>`)}`;
};
