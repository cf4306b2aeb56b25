// Where the nodes of a graph lie: a column for each layer, or a row for each where the page is narrow.
export const WIDE = { width: 144, height: 56, across: 20, along: 16 };

// -> {width, height, places: {id: {x, y}}, upright}
export const layout = (graph, upright) => {
  const { width, height, across, along } = WIDE, places = {};
  const layers = graph.layers.map(layer => graph.nodes.filter(node => node.layer === layer));
  const most = Math.max(...layers.map(nodes => nodes.length));
  const thick = upright ? height + 44 : width + across, thin = upright ? width + along : height + along;
  const span = most * thin - along;
  layers.forEach((nodes, at) => {
    const before = (span - (nodes.length * thin - along)) / 2;
    nodes.forEach((node, nth) => { places[node.id] = upright ? { x: before + nth * thin, y: 22 + at * thick } : { x: at * thick, y: 22 + before + nth * thin }; });
  });
  const long = layers.length * thick - (upright ? 44 : across);
  return upright ? { width: span, height: 22 + long, places, upright } : { width: long, height: 22 + span, places, upright };
};

// The curve between two nodes.
export const curve = (from, to, upright) => {
  const { width, height } = WIDE;
  const [x1, y1, x2, y2] = upright ? [from.x + width / 2, from.y + height, to.x + width / 2, to.y] : [from.x + width, from.y + height / 2, to.x, to.y + height / 2];
  const middle = upright ? (y1 + y2) / 2 : (x1 + x2) / 2;
  return upright ? `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}` : `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
};

// The node that an arrow key leads to: along the edges from layer to layer, beside each other within one.
export const step = (graph, id, key, upright) => {
  const node = graph.nodes.find(each => each.id === id), mine = graph.nodes.filter(each => each.layer === node.layer), at = mine.indexOf(node);
  const [back, on, less, more] = upright ? ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"] : ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
  if (key === on) return graph.edges.find(([from]) => from === id)?.[1];
  if (key === back) {  // rather to a node that leads on than to one at which the way ends
    const sources = graph.edges.filter(([, to]) => to === id).map(([from]) => from);
    return sources.find(each => graph.edges.some(([, to]) => to === each)) ?? sources[0];
  }
  if (key === less) return mine[at - 1]?.id;
  if (key === more) return mine[at + 1]?.id;
  if (key === "Home") return graph.nodes.find(each => each.layer === graph.layers[0])?.id;
  return key === "End" ? graph.nodes.find(each => each.layer === graph.layers.at(-1))?.id : undefined;
};
