// The graph, drawn: every node is a button of its own, and one of them is in the order of the Tab key.
import { html, nothing, svg } from "../lib.js";
import { curve, layout, step, WIDE } from "./layout.js";

const NARROW = matchMedia("(max-width: 700px)");
const cut = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;
const shown = node => [cut(node.name, 17), cut(node.words, 20)];
// What a screen reader says begins with what one sees.
const said = node => [shown(node).join(" "), shown(node)[1] === node.words ? "" : node.words, node.layer, node.state === "recorded" ? "" : node.state, node.folded ? `${node.folded} folded` : ""].filter(Boolean).join(", ");

const node = (each, { x, y }, current, opened, onKey, onOpen) => svg`<g class="node ${each.state} ${each.folded ? "folded" : ""} ${opened ? "opened" : ""}" role="button" tabindex=${current ? 0 : -1} data-node=${each.id} transform="translate(${x} ${y})"
    aria-label=${said(each)} aria-pressed=${opened ? "true" : "false"} @click=${() => onOpen(each)} @keydown=${event => onKey(event, each)}>
  <title>${said(each)}</title>${each.folded ? svg`<rect class="behind" x="5" y="-5" width=${WIDE.width} height=${WIDE.height} rx="9"></rect>` : nothing}
  <rect width=${WIDE.width} height=${WIDE.height} rx="9"></rect><text class="name" x="11" y="23">${shown(each)[0]}</text> <text x="11" y="42">${shown(each)[1]}</text></g>`;
const titled = (layer, at, drawn) => svg`<text class="layer" x=${drawn.upright ? 0 : at * (WIDE.width + WIDE.across)} y=${drawn.upright ? 14 + at * (WIDE.height + 44) : 12}>${layer}</text>`;

let redrawn;  // by the newest picture, where the page became narrow or wide
NARROW.addEventListener("change", () => redrawn?.());

export const picture = (graph, context, onOpen) => {
  const drawn = layout(graph, NARROW.matches), current = graph.nodes.some(each => each.id === context.state.at) ? context.state.at : "version";
  redrawn = context.redraw;
  const go = (event, each) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); onOpen(each); return; }
    const next = step(graph, each.id, event.key, drawn.upright);
    if (!next) return;
    event.preventDefault();
    context.state.at = next;
    context.redraw();
    document.querySelector(`[data-node="${CSS.escape(next)}"]`).focus();
  };
  const choose = each => { context.state.at = each.id; onOpen(each); };
  return html`<div class="scroll" role="region" aria-label="Lineage of ${graph.model}, version ${graph.version}" tabindex="0"><svg class="lineage" role="group" aria-label="${graph.nodes.length} nodes; arrow keys walk, Enter opens"
      width=${drawn.width + 8} height=${drawn.height + 4} viewBox="-1 0 ${drawn.width + 8} ${drawn.height + 4}">
    ${graph.layers.map((layer, at) => titled(layer, at, drawn))}
    ${graph.edges.filter(([from, to]) => drawn.places[from] && drawn.places[to]).map(([from, to]) => svg`<path class="edge ${from === current || to === current ? "near" : ""}" d=${curve(drawn.places[from], drawn.places[to], drawn.upright)}></path>`)}
    ${graph.nodes.map(each => node(each, drawn.places[each.id], each.id === current, context.state.opened?.node === each.id, go, choose))}</svg></div>`;
};
