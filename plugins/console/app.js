// The frame around every page: what it is called, what it polls, what is said when that fails. A page is a module of `pages/`:
//   title(query), feeds(query) -> {name: path}, view(data, context) -> template; perhaps every (seconds), live(name, problem).
import { Feed } from "./api.js";
import { html, nothing, render } from "./lib.js";
import { MENU } from "./menu.js";
import { address, outward } from "./parts.js";
import { announce } from "./status.js";
import { glossary } from "./terms.js";
import { lasting } from "./words.js";

const EVERY = 15, SLOWEST = 120;  // seconds between two polls; after failures
const query = Object.fromEntries(new URLSearchParams(location.search));
const name = location.pathname.split("/").at(-1).replace(/[^a-z_]/g, "") || "fleet";
const root = document.querySelector("#console"), drawn = {};
let page, feeds = {}, wait = EVERY, timer, first = true;

const context = {
  query,
  // What the reader chose on the page: in its address, so that a reload and the way back find it.
  choose: changes => { Object.assign(query, changes); history.replaceState(null, "", address(name, query)); draw(); },
  redraw: () => draw(),
  refresh: () => poll(),
  state: {},  // of the page's own, lost with it
};

// What keeps the page from being up to date. A refused part says so in its own place; of what the page cannot do without the page does.
const worst = () => Object.values(feeds).map((feed, at) => feed.problem && (feed.problem.kind !== "refused" || (!at && feed.data)) ? feed.problem : null).find(Boolean);
const oldest = () => Object.values(feeds)[0]?.at === 0 ? Infinity : Math.min(...Object.values(feeds).map(feed => feed.at || Infinity));
const shownAt = at => Number.isFinite(at) ? html`What is shown is as of <time datetime=${new Date(at).toISOString()}>${new Date(at).toISOString().slice(11, 19)} UTC</time>, ${lasting((Date.now() - at) / 1000)} old.` : "Nothing could be read yet.";
const banner = problem => problem ? html`<div class="banner bad" role="alert"><p><strong>${problem.message}</strong> ${shownAt(oldest())} ${remedy(problem)}</p></div>` : nothing;
const remedy = problem => ({
  upgraded: html`<button @click=${() => location.reload()}>Reload</button> What you typed is kept.`,
  ended: html`${outward(`../api/v2/auth/login?next=${encodeURIComponent(window.parent === window ? location.href : window.parent.location.href)}`, "Log in", { target: "_top" })} and this page goes on by itself.`,
}[problem.kind] ?? html`<button @click=${() => poll()}>Try again</button> The next try is in ${lasting(wait)}.`);

const frame = content => html`
  <a class="skip" href="#main" @click=${event => { event.preventDefault(); heading()?.focus(); }}>Skip to the content</a>
  <header class="top"><nav aria-label="Console"><ul>${MENU.map(each => html`<li><a href=${address(each.page)} aria-current=${each.page === name ? "page" : nothing}>${each.title}</a></li>`)}</ul></nav>
    <p class="asof">${Number.isFinite(oldest()) && !worst() ? html`as of ${new Date(oldest()).toISOString().slice(11, 19)} UTC` : nothing}</p></header>
  <main id="main">${banner(worst())}${content}</main>
  <footer class="foot"><details><summary>What the numbers on this page mean</summary>${glossary()}</details></footer>`;

const heading = () => root.querySelector("h1");
const body = () => {
  const data = Object.fromEntries(Object.entries(feeds).map(([key, feed]) => [key, feed.data]));
  const needed = Object.keys(feeds)[0], refused = needed && feeds[needed].problem?.kind === "refused" && !feeds[needed].data;
  if (refused) return html`<h1 tabindex="-1">${page.title(query)}</h1><p class="bad" role="alert">${feeds[needed].problem.message}</p>`;
  if (needed && data[needed] === undefined) return html`<h1 tabindex="-1">${page.title(query)}</h1>${feeds[needed].problem ? nothing : html`<p class="dim">Loading…</p>`}`;
  return page.view(data, { ...context, problems: Object.fromEntries(Object.entries(feeds).map(([key, feed]) => [key, feed.problem])) });
};
const draw = () => {
  render(frame(body()), root);
  document.title = page.title(query);
  if (first && Object.values(feeds).every(feed => feed.at || feed.problem)) {
    first = false;
    document.documentElement.dataset.ready = "yes";
    if (document.referrer.startsWith(new URL(".", location.href).href)) heading()?.focus({ preventScroll: true });  // came from another page of the console
  }
};

const poll = async () => {
  clearTimeout(timer);
  const before = worst()?.kind;
  await Promise.all(Object.values(feeds).map(feed => feed.poll()));
  const after = worst();
  wait = after ? Math.min(SLOWEST, wait * 2) : page.every ?? EVERY;
  draw();  // ages grow although nothing came
  if (before && !after) announce("The page is up to date again.");
  if (after?.kind !== "upgraded") timer = setTimeout(() => document.hidden || poll(), wait * 1000);
};
document.addEventListener("visibilitychange", () => { if (!document.hidden && worst()?.kind !== "upgraded") poll(); });

const begin = async () => {
  page = await import(`./pages/${name}.js`);
  root.querySelector(".late")?.remove();
  root.replaceChildren();
  feeds = Object.fromEntries(Object.entries(page.feeds?.(query) ?? {}).map(([key, path]) => [key, new Feed(path)]));
  draw();
  await poll();
};
begin();
