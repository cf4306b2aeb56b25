// What the console's modules take from lit-html (plugins/console/vendor): templates whose values are text, never HTML.
export { html, svg, render, nothing } from "./vendor/lit-html/lit-html.js";
export { repeat } from "./vendor/lit-html/directives/repeat.js";
export { keyed } from "./vendor/lit-html/directives/keyed.js";
export { live } from "./vendor/lit-html/directives/live.js";
export { ref, createRef } from "./vendor/lit-html/directives/ref.js";
