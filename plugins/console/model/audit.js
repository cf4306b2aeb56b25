// Who did what with the model: the audit's rows in words.
import { html } from "../lib.js";
import { note, table, time } from "../parts.js";
import { staged } from "../words.js";

const WORDS = {
  "experiment.start": detail => `started the experiment ${detail.name} of version ${detail.treatment}`, "experiment.decided": detail => `the experiment ${detail.name} ended: ${detail.answer}`,
  "experiment.stopped": detail => `stopped the experiment ${detail.name}: ${detail.reasons.join("; ")}`, "experiment.interrupted": detail => `interrupted the experiment ${detail.name}: ${detail.reasons.join("; ")}`,
  "rollout.open": detail => `opened the rollout of version ${detail.challenger}`, "rollout.promote": detail => `promoted version ${detail.champion}` + (detail.previous ? ` over version ${detail.previous}` : ""),
  "rollout.roll_back": detail => `rolled back: ${detail.reason || ""}`, "rollout.pause": detail => `paused the rollout in ${staged(detail.stage)}: ${detail.reason}`, "rollout.resume": detail => `resumed the rollout in ${staged(detail.stage)}: ${detail.reason}`,
  "rollout.alert": detail => `paged: ${detail.reasons.join("; ")}`, "rollout.restore": detail => `offered version ${detail.version} again: ${detail.reason}` + (detail.despite.length ? ` (although ${detail.despite.join("; ")})` : ""),
  "rollout.restore_now": detail => `returned to version ${detail.to}` + (detail.from ? ` from version ${detail.from}` : "") + `: ${detail.reason}`, "rollout.return": detail => `returned from version ${detail.from} to version ${detail.to}: ${detail.reason || ""}`,
  register: detail => `registered version ${detail.version} (${detail.semver}) as ${detail.stage}`, stage: detail => `moved version ${detail.version} to ${detail.to || detail.stage || "another stage"}`,
  "training.start": detail => `started ${detail.dag}: ${detail.reason}`, "rollout.start": detail => `started the rollout of version ${detail.version}: ${detail.reason}`,
  "features.backfill": detail => `took in ${detail.first} to ${detail.last}: ${detail.reason}`, "quarantine.release": detail => `released quarantine of ${detail.day}: ${detail.reason}`,
  invalidate: detail => `asked to compute ${detail.key} again: ${detail.reason}`, hold: detail => detail.words, retrain: detail => detail.words,
};
export const who = actor => { const parts = actor.split("/"); return parts.length >= 4 ? `${parts[0]}, task ${parts.at(-3)}` : actor; };
export const did = row => { try { return WORDS[row.action](row.detail); } catch { return row.action; } };

export const audit = model => html`<details id="audit"><summary>Audit: who did what</summary>${model.audit.length ? table("The newest rows of the audit about this model", [{ term: "when" }, { term: "who" }, { term: "what" }],
  model.audit.map(each => [time(each.at), html`<span title=${each.actor}>${who(each.actor)}</span>`, html`<span title=${JSON.stringify(each.detail)}>${did(each)}</span>`])) : note("Nothing yet.")}</details>`;
