// All models that the reader may see.
import { html } from "../lib.js";
import { inward, note, table } from "../parts.js";

export const title = () => "Models";
export const feeds = () => ({ models: "models" });
export const view = ({ models }) => html`<h1 tabindex="-1">Models</h1>${models.length
  ? table("Models", [{ term: "model", head: true }], models.map(name => [inward("model", { name }, name)]))
  : note("There is no model that you may see. Adding a folder under include/models/ makes one.")}`;
