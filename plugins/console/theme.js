// Before anything is drawn: light or dark as Airflow's own page around this frame, at once when its switch is used.
"use strict";
(() => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const outside = () => { try { return window.parent === window ? null : window.parent.document; } catch { return null; } };
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };  // where Airflow keeps the choice

  const choose = () => {
    const classes = outside()?.documentElement.classList;
    const named = ["dark", "light"].find(name => classes?.contains(name)) ?? stored();
    return named === "dark" || named === "light" ? named : dark.matches ? "dark" : "light";
  };
  // Airflow's own paper, where it is as light or as dark as text needs it.
  const paper = theme => {
    const around = outside()?.body, color = around ? getComputedStyle(around).backgroundColor : "";
    const parts = (color.match(/^rgb\((\d+), (\d+), (\d+)\)$/) || []).slice(1).map(Number);
    const fits = parts.length === 3 && parts.every(part => theme === "dark" ? part < 32 : part > 244);
    if (fits) root.style.setProperty("--paper", color); else root.style.removeProperty("--paper");
  };
  const apply = () => {
    const theme = choose(), changed = root.dataset.theme !== theme;
    root.dataset.theme = theme;
    paper(theme);
    if (changed) window.dispatchEvent(new Event("slipstream:theme"));
  };
  apply();
  dark.addEventListener("change", apply);
  window.addEventListener("storage", event => { if (event.key === "theme") apply(); });
  const around = outside();
  if (around) new MutationObserver(apply).observe(around.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
