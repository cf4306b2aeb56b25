// The pieces that every page is made of. Everything shown came from data: templates put it on the page as text.
import { html, nothing } from "./lib.js";
import { meaning } from "./terms.js";
import { ago, plain, stamp } from "./words.js";

const KINDS = {
  Production: "good", promoted: "good", open: "good", passed: "good", healthy: "good", ok: "good", hold: "dim", Candidate: "accent", running: "accent",
  retrain: "accent", waiting: "warn", paused: "warn", undriven: "warn", late: "warn", drift: "warn", watch: "warn", Staging: "warn", Archived: "dim",
  rolled_back: "bad", roll_back: "bad", closed: "bad", failing: "bad", worse: "bad", stale: "bad", failed: "bad",
};
const MARKS = { good: "✓", warn: "!", bad: "✕", accent: "●", dim: "" };  // a state is never told by its color alone
export const kindOf = text => KINDS[text] || "dim";
export const tag = (text, kind = kindOf(text)) => html`<span class="tag ${kind}">${MARKS[kind] ? html`<span aria-hidden="true">${MARKS[kind]} </span>` : nothing}${plain(text)}</span>`;

export const time = text => text ? html`<time datetime=${text} title=${stamp(text)}>${ago(text)}</time>` : nothing;

// Airflow shows the console in a sandboxed frame, which may open nothing outside: the page around it follows such a link.
const follow = event => {
  if (window.parent === window || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const { href, target } = event.currentTarget, outside = window.parent.document.createElement("a");
  Object.assign(outside, { href, target, rel: "noopener" });
  window.parent.document.body.append(outside);
  outside.click();
  outside.remove();
};
// An address that came from data may only lead to a page: `javascript:` would run in the page around this one.
export const leads = href => { try { return ["http:", "https:"].includes(new URL(href, location.href).protocol); } catch { return false; } };
export const outward = (href, text, { target = "_blank", title = "" } = {}) => leads(href)
  ? html`<a href=${href} target=${target} title=${title || nothing} rel="noopener" @click=${follow}>${text}</a>` : html`<span title=${title || nothing}>${text}</span>`;
// A page of the console: an ordinary link within the frame, so that the browser's history has it.
export const inward = (page, query, text) => html`<a href=${address(page, query)}>${text}</a>`;
export const address = (page, query = {}) => {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null)).toString();
  return (page === "fleet" ? "./" : page) + (asked ? "?" + asked : "");
};

export const section = (id, title, ...content) => html`<section id=${id} aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${content}</section>`;
// A part that has not come yet, or why it does not.
export const reading = (problem, words = "Reading…") => problem ? html`<p class="bad" role="alert">${problem.message}</p>` : note(words);
export const note = text => html`<p class="note">${text}</p>`;

// Numbers that matter most: [term of the glossary, value, a word below it].
export const tiles = entries => html`<dl class="tiles">${entries.filter(Boolean).map(([term, value, below, kind]) => {
  const { title, text } = meaning(term);
  return html`<div class="tile"><dt title=${text}>${title}</dt><dd class=${kind || nothing} title=${text}><b>${value}</b>${below ? html`<span>${below}</span>` : nothing}</dd></div>`;
})}</dl>`;

// A table whose columns are named by terms of the glossary, or by words of their own. `n`: numbers; `head`: names the row.
// Below 700 px its rows are stacked, each value beside its column's name: the roles say that it is a table still.
export const table = (caption, columns, rows, { sorted, sort } = {}) => html`<div class="scroll" role="region" aria-label=${caption} tabindex="0"><table class="stacks" role="table">
  <caption class="unseen">${caption}</caption>
  ${tableHead(columns, sorted, sort)}
  <tbody role="rowgroup">${rows.map(cells => line(columns, cells))}</tbody></table></div>`;
export const tableHead = (columns, sorted, sort) => html`<thead role="rowgroup"><tr role="row">${columns.map(column => heading(column, sorted, sort))}</tr></thead>`;
const heading = (column, sorted, sort) => {
  const { title, text } = named(column), mine = sorted && sorted.by === column.key;
  const words = sort && column.key
    ? html`<button class="sort" @click=${() => sort(column.key)}>${title}<span aria-hidden="true">${mine ? (sorted.down ? " ▾" : " ▴") : ""}</span></button>` : title;
  return html`<th scope="col" role="columnheader" class=${column.n ? "n" : nothing} title=${text || nothing} aria-sort=${mine ? (sorted.down ? "descending" : "ascending") : nothing}>${words || html`<span class="unseen">acts</span>`}</th>`;
};
export const line = (columns, cells) => html`<tr role="row">${cells.map((cell, at) => {
  const column = columns[at], { title } = named(column);
  return column.head ? html`<th scope="row" role="rowheader" data-label=${title}><div>${cell}</div></th>` : html`<td role="cell" class=${column.n ? "n" : nothing} data-label=${title}><div>${cell}</div></td>`;
})}</tr>`;
const named = column => column.term ? { ...meaning(column.term), ...(column.title ? { title: column.title } : {}) } : { title: column.title || "", text: column.text || "" };
