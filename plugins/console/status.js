// What changed, for who listens and does not look: one live region, spoken politely.
let region;
const place = () => {
  region ??= document.body.appendChild(Object.assign(document.createElement("p"), { className: "unseen", role: "status" }));
  region.setAttribute("aria-live", "polite");
  return region;
};
export const announce = text => {
  const spoken = place();
  spoken.textContent = "";
  setTimeout(() => { spoken.textContent = text; }, 50);  // the same sentence twice is read twice
};
