// The one dialog of the console: what will happen, what is safe, a reason, and what came of it. A sandboxed frame has no prompt().
import { html, live, nothing, render } from "./lib.js";
import { announce } from "./status.js";

// What was typed and not sent outlives a reload, for an upgrade or a login that came in between.
const drafts = {
  key: (act, field) => `slipstream/${act}/${field}`,
  read: (act, field) => { try { return sessionStorage.getItem(drafts.key(act, field)) || ""; } catch { return ""; } },
  keep: (act, field, text) => { try { if (text) sessionStorage.setItem(drafts.key(act, field), text); else sessionStorage.removeItem(drafts.key(act, field)); } catch { /* not kept then */ } },
};
export const REASON = { name: "reason", label: "Why? It is written into the audit.", least: 3, most: 500 };

// `act`: its name and what it is about; `happens`, `safe`: sentences; `fields`: {name, label, type, least, most, optional, value};
// `button`; `danger`; `send(values)`: does it, and resolves to the sentence of what was done, or to {words, more}. Without `send` there
// is something to read alone. Resolves to whether it was done.
export const ask = given => new Promise(resolve => {
  const box = document.createElement("dialog"), before = document.activeElement;
  const fields = given.fields ?? (given.send ? [REASON] : []), id = "dialog-title";
  const values = Object.fromEntries(fields.map(field => [field.name, field.value ?? drafts.read(given.act, field.name)]));
  const state = { busy: false, problem: "", done: "", more: nothing };
  const type = (field, text) => { values[field.name] = text; drafts.keep(given.act, field.name, text); };
  const submit = async event => {
    event.preventDefault();
    if (state.busy || !event.target.reportValidity()) return;
    Object.assign(state, { busy: true, problem: "" });
    draw();
    try {
      const came = await given.send(Object.fromEntries(Object.entries(values).map(([name, text]) => [name, text.trim()]))) || "Done.";
      Object.assign(state, typeof came === "string" ? { done: came } : { done: came.words, more: came.more });
      fields.forEach(field => drafts.keep(given.act, field.name, ""));
      announce(state.done);
    } catch (error) {  // of an act that nobody answered it is not known whether it was done
      state.problem = error.kind === "unreachable" ? `It is not known whether it was done: ${error.message} Look again before you repeat it.` : `Nothing was changed: ${error.message}`;
    }
    state.busy = false;
    draw();
    (state.done ? box.querySelector("button") : box.querySelector(".problem")).focus();
  };
  const field = each => html`<label>${each.label}${each.type === "area"
    ? html`<textarea rows="3" name=${each.name} .value=${live(values[each.name])} ?required=${!each.optional} @input=${event => type(each, event.target.value)}></textarea>`
    : html`<input type=${each.type || "text"} name=${each.name} .value=${live(values[each.name])} ?required=${!each.optional} minlength=${each.least ?? nothing} maxlength=${each.most ?? nothing}
        pattern=${each.pattern ?? nothing} min=${each.min ?? nothing} max=${each.max ?? nothing} @input=${event => type(each, event.target.value)}>`}</label>`;
  const asked = () => html`<form @submit=${submit} novalidate=${nothing}>
    ${given.happens ? html`<p class="happens">${given.happens}</p>` : nothing}${given.safe ? html`<p class="note">Safe: ${given.safe}</p>` : nothing}${given.more ?? nothing}
    ${fields.map(field)}
    <p class="problem bad" tabindex="-1" role="alert">${state.problem}</p>
    <footer>${given.send ? html`<button type="button" @click=${() => box.close()}>Cancel</button><button class=${given.danger ? "go danger-go" : "go"} ?disabled=${state.busy}>${state.busy ? "Working…" : given.button}</button>` : close}</footer></form>`;
  const close = html`<button type="button" class="go" @click=${() => box.close()}>Close</button>`;
  const told = () => html`<p>${state.done}</p>${state.more}<footer>${close}</footer>`;
  const draw = () => render(html`<h2 id=${id}>${given.title}</h2>${state.done ? told() : asked()}`, box);
  box.setAttribute("aria-labelledby", id);
  box.addEventListener("close", () => { resolve(Boolean(state.done)); box.remove(); if (before?.isConnected) before.focus(); });
  document.body.append(box);
  draw();
  box.showModal();
  (box.querySelector("input, textarea") || box.querySelector("footer button:last-child")).focus();
});
