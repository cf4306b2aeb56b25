// The lineage of a version as a picture that one can walk: from raw files to predictions, each node opened, verified, listed.
import { dossier } from "../dossiers.js";
import { html, nothing } from "../lib.js";
import { details, open } from "../lineage/details.js";
import { picture } from "../lineage/picture.js";
import { address, inward, note, section, table, tag } from "../parts.js";

export const title = query => `${query.name || "No model"} · Lineage`;
export const every = 120;
export const feeds = query => query.name ? { graph: `lineage/${encodeURIComponent(query.name)}` + (query.version ? `?version=${encodeURIComponent(query.version)}` : "") } : { models: "models" };

const names = models => models.map(each => typeof each === "string" ? each : each.model || each.name);
const index = models => html`<h1 tabindex="-1">Lineage</h1>${models.length ? table("Models whose lineage can be walked", [{ term: "model", head: true }], names(models).map(name => [inward("lineage", { name }, name)])) : note("There is no model that you may see.")}`;
const STATE = { recorded: "dim", missing: "bad", changed: "bad" };
const list = (graph, context) => html`<details><summary>The same as a list</summary>${table("Everything in the lineage, layer by layer", [{ term: "layer" }, { title: "what", head: true }, { title: "in words" }, { term: "digest" }, { title: "made of" }, {}],
  graph.layers.flatMap(layer => graph.nodes.filter(node => node.layer === layer)).map(node => [node.layer, node.name, node.words, html`<code title=${node.digest}>${node.digest.slice(0, 12)}</code> ${node.state === "recorded" ? nothing : tag(node.state, STATE[node.state])}`,
    graph.edges.filter(([, to]) => to === node.id).map(([from]) => graph.nodes.find(each => each.id === from)?.name).join(", "), html`<button @click=${() => open(node, graph, context)} aria-label="Open ${node.name}">Open</button>`]))}</details>`;
const choose = (graph, context) => html`<div class="filters"><label>Version<select name="version" @change=${event => location.assign(address("lineage", { name: graph.model, version: event.target.value }))}>
  ${graph.versions.map(each => html`<option value=${each.version} ?selected=${each.version === graph.version}>${each.version} (${each.semver}, ${each.stage})</option>`)}</select></label></div>`;

export const view = ({ graph, models }, context) => graph ? html`
  <h1 tabindex="-1">${graph.model}: lineage of version ${graph.version}</h1>
  <p class="dim">From the raw data, left, to the predictions, right. Arrow keys walk from node to node, Enter opens one. ${inward("model", { name: graph.model }, "The model")} · ${inward("lineage", {}, "Other models")} · ${dossier(graph.model, graph.version, graph.dossiers.kept)}</p>
  ${choose(graph, context)}${picture(graph, context, node => open(node, graph, context))}${list(graph, context)}${section("opened", "Opened", details(graph, context))}` : index(models);
