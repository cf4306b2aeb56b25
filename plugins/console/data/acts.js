// Two acts on partitions: taking a range in, and releasing what is in quarantine and passes today's rules.
import { get, post } from "../api.js";
import { ask, REASON } from "../dialog.js";
import { html } from "../lib.js";
import { started, token } from "../model/acts.js";
import { count, many } from "../words.js";

const path = (owner, rest) => `quality/${encodeURIComponent(owner)}/${rest}`;

export const backfill = (owner, days, refresh, click = token()) => ask({
  act: `backfill/${owner}`, title: `Take in a range of ${owner}`, button: "Take in",
  happens: "One run of the DAG for ranges judges, computes and publishes each partition of it that is not there yet, or that has landed anew.",
  safe: "what is published and unchanged is not made again.",
  fields: [{ name: "first", label: "First partition", value: days.at(-1)?.day ?? "", least: 4, most: 30 }, { name: "last", label: "Last partition", value: days[0]?.day ?? "", least: 4, most: 30 }, REASON],
  send: async given => {
    const done = await post(path(owner, "backfill"), { ...given, token: click });
    return started(done, `${done.first} to ${done.last}: `);
  },
}).then(refresh);

const row = each => html`<li>${each.source}: ${many(each.quarantined)} of ${count(each.rows, "row")} set aside, ${many(each.would_pass)} would pass today's rules.
  <ul>${each.reasons.slice(0, 8).map(why => html`<li>${many(why.rows)}: ${why.reason}</li>`)}</ul></li>`;

// What is in quarantine of a partition; who may releases what passes.
export const look = async (owner, day, allowed, refresh) => {
  let found;
  const click = token();
  try { found = await get(path(owner, `quarantine/${encodeURIComponent(day)}`)); } catch (error) { found = { held: [], release: null, problem: error.message }; }
  const list = html`<ul class="plain">${found.held.map(row)}</ul>${found.problem ? html`<p class="bad">${found.problem}</p>` : ""}`;
  const why = allowed ? "None of them passes today's rules. Land a corrected partition, or correct the rule in expectations.py." : "You may look, not release: Airflow's right to run the features DAG is needed.";
  if (!found.release || !allowed) {
    await ask({ act: `look/${owner}/${day}`, title: `In quarantine: ${owner}, ${day}`, happens: found.release && allowed ? "" : why, more: list, });
    return;
  }
  await ask({
    act: `release/${owner}/${day}`, title: `Release from quarantine: ${owner}, ${day}`, more: list, button: "Release",
    happens: `${found.release.first} to ${found.release.last} are judged and made again, so that what passes is published; later partitions among them have read this one.`,
    safe: "rows that still break a rule stay in quarantine.",
    send: async given => {
      const done = await post(path(owner, "release"), { ...given, day, token: click });
      return started(done, `${count(done.rows, "row")} will be released. `);
    },
  });
  refresh();
};
