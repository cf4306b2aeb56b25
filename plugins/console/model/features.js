// The model's features: how fresh each is, and what its values look like on the newest published day.
import { get } from "../api.js";
import { html, nothing, svg } from "../lib.js";
import { note, section, table } from "../parts.js";
import { lasting, share } from "../words.js";

// Least, quarter, half, three quarters, most, as a line with a box; the numbers stand beside it.
const box = ([least, low, middle, high, most]) => {
  const at = value => most > least ? 2 + 116 * (value - least) / (most - least) : 60;
  return html`<svg width="120" height="14" viewBox="0 0 120 14" aria-hidden="true">${svg`<path d="M2 7H118" stroke="var(--dim)"/><rect x=${at(low)} y="2" width=${Math.max(1, at(high) - at(low))} height="10" fill="var(--soft)" stroke="var(--accent)"/><path d=${`M${at(middle)} 1V13`} stroke="var(--accent)" stroke-width="2"/>`}</svg>`;
};
const values = profile => profile.quantiles?.length === 5 ? html`${box(profile.quantiles)}<span class="note">${profile.quantiles.map(value => value.toPrecision(3)).join(" · ")}</span>` : (profile.commonest || []).join(", ") || "–";
const read = async (model, context) => {
  const held = context.state.features = { found: null, problem: "" };
  try { held.found = await get(`features/${encodeURIComponent(model)}`); } catch (error) { held.problem = error.message; }
  context.redraw();
};
export const features = (model, context) => {
  const held = context.state.features;
  if (!held) queueMicrotask(() => context.state.features ?? read(model, context));
  const found = held?.found;
  return section("features", "Features", held?.problem ? html`<p class="bad">${held.problem}</p>` : nothing,
    found ? found.features.length ? table("The model's features", [{ term: "feature", head: true }, { term: "view" }, { term: "dtype" }, { term: "age" }, { term: "promise" }, { term: "missing", n: true }, { term: "values" }],
      found.features.map(each => [html`<span title=${each.description}>${each.feature}</span>`, html`<span title="by ${each.keys.join(", ")}; version ${each.version}">${each.view}</span>`, each.dtype,
        html`<span class=${each.stale ? "bad" : nothing} title=${each.newest}>${lasting(each.age)}${each.stale ? " stale" : ""}</span>`, lasting(each.promise), share(each.profile.null_share), values(each.profile)])) : Object.keys(found.broken).length ? nothing : note("It computes none of its own.") : held?.problem ? nothing : note("Reading the newest published day…"),
    found ? html`${Object.entries(found.broken).map(([name, why]) => html`<p class="bad">${name}: ${why}</p>`)}<p><button @click=${() => read(model, context)}>Read again</button></p>` : nothing);
};
