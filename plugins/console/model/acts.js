// What a person may do with a model: each act says what will happen and what is safe, and asks why.
import { post } from "../api.js";
import { ask, REASON } from "../dialog.js";
import { html } from "../lib.js";
import { outward } from "../parts.js";

const path = (model, rest) => `models/${encodeURIComponent(model.model)}/${rest}`;
const titled = word => word[0].toUpperCase() + word.slice(1);
// A button is there for everybody: disabled, it says whose right it takes.
// `idle`: why there is nothing for it to do, whoever asks.
export const button = (allowed, words, act, { danger = false, needs = "run", title = "", idle = "" } = {}) => html`<button class=${danger ? "danger" : ""} ?disabled=${!allowed || idle !== ""}
  title=${allowed ? idle || title : `You may look, not ${needs}: Airflow's right to run the model's DAG is needed.`} @click=${act}>${words}</button>`;

export const rollBack = (model, refresh) => ask({
  act: `rollback/${model.model}`, title: `Roll back ${model.model}`, danger: true, button: "Roll back",
  happens: model.rollout.live ? `The rollout of version ${model.rollout.challenger} ends at once, and version ${model.route.champion} answers everyone.`
    : `Version ${model.route.champion} is taken out, and version ${model.route.previous} answers again.`,
  safe: "the version stays registered, and may be brought back.",
  send: async given => {
    const done = await post(path(model, "rollback"), given);
    return `Version ${done.gone ?? "–"} is out, version ${done.serving ?? "–"} answers.`;
  },
}).then(refresh);

export const steer = (model, verb, refresh) => ask({
  act: `${verb}/${model.model}`, title: `${titled(verb)} the rollout of ${model.model}`, danger: verb === "abort", button: titled(verb),
  happens: { pause: "The traffic stays as it is, and no stage passes. The judge may still roll back.", resume: "It goes on where it was paused.",
    abort: `The rollout of version ${model.rollout.challenger} ends at once, and ${model.route.champion ? `version ${model.route.champion}` : "the default answer"} answers everyone.` }[verb],
  safe: "what was seen so far is kept.",
  send: async given => {
    await post(path(model, `rollout/${verb}`), given);
    return { pause: "The rollout is paused.", resume: "The rollout goes on.", abort: "The rollout is over." }[verb];
  },
}).then(refresh);

export const restore = async (model, number, now, refresh) => {
  const given = {
    act: `restore/${model.model}/${number}`, title: `${now ? "Return to" : "Offer"} version ${number} of ${model.model}`, danger: now, button: now ? "Return now" : "Offer again",
    happens: now ? `${model.rollout.live ? `The rollout of version ${model.rollout.challenger} ends, and version` : "Version"} ${number} answers everyone at once. It must have been in production before.`
      : `Version ${number} becomes a candidate again. No traffic moves: the rollout DAG with version=${number} brings it in.`,
  };
  let closed = "", why = {};
  const send = despite => async typed => {
    why = { ...typed, ...why };
    try { await post(path(model, "restore"), { ...why, version: number, now, ...(despite ? { despite_gate: true } : {}) }); } catch (error) {
      if (despite || !error.message.includes("--despite-gate")) throw error;
      closed = error.message;
      return "Its gate is closed: nothing was changed yet.";
    }
    return now ? `Version ${number} answers everyone.` : `Version ${number} is a candidate again.`;
  };
  await ask({ ...given, send: send(false) });
  if (closed) await ask({ ...given, title: "Its gate is closed", happens: closed, fields: [], danger: true, button: "Go on all the same", send: send(true) });
  refresh();
};

export const computeAgain = async (model, refresh) => {
  let body, shown;
  const asked = await ask({
    act: `invalidate/${model.model}`, title: "Compute again", button: "Show what it affects",
    happens: "Opens a new generation of a result: the next run or clear computes it.", safe: "what is there stays, and stays readable.",
    fields: [{ name: "what", label: "A key of the ledger, or a step such as features" }, { name: "day", label: "Its day, if it is about one (YYYY-MM-DD)", optional: true }, { ...REASON, label: "Why?" }],
    send: async given => {
      body = given.what.includes("/") ? { key: given.what, reason: given.reason } : { step: given.what, day: given.day, reason: given.reason };
      shown = await post(path(model, "invalidate"), body);
      return `${shown.chosen.length} to compute again; ${shown.dependents.length} were made from them. Nothing was changed yet.`;
    },
  });
  if (asked) await ask({
    act: `invalidate2/${model.model}`, title: "Compute again", button: "Go on", fields: [], happens: `${shown.chosen.length} to compute again; ${shown.dependents.length} were made from them.`,
    send: async () => {
      const done = await post(path(model, "invalidate"), { ...body, confirm: true });
      return `${done.opened.length} to compute again. Clear the task, or run its DAG again.`;
    },
  });
  refresh();
};

// One click is one run, however often it is sent.
export const token = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), each => each.toString(16).padStart(2, "0")).join("");
export const started = (done, before = "") => ({
  words: `${before}Airflow runs ${done.dag} (${done.run}).${done.paused ? " The DAG is switched off: the run waits until it is switched on." : ""}`,
  more: html`<p>${outward(`../dags/${encodeURIComponent(done.dag)}/runs/${encodeURIComponent(done.run)}`, "The run in Airflow", { target: "_top" })}</p>`,
});
const run = (model, verb, refresh, given) => {
  const click = token();
  return ask({ act: `${verb}/${model.model}`, ...given, send: async typed => started(await post(path(model, verb), { ...typed, ...given.fixed, token: click })) }).then(refresh);
};
export const trainNow = (model, refresh) => run(model, "train", refresh, {
  title: `Train ${model.model} now`, button: "Train", happens: "A run of the training DAG makes a new version, evaluates it and puts it to the gate. If it passes, its rollout begins as the spec says.",
  safe: "the champion goes on answering until the rollout has judged the new version.",
  fields: [{ name: "as_of", label: "As of (UTC, such as 2013-04-01): nothing known later is used. Empty: the newest published day.", optional: true, most: 40 }, REASON],
});
export const rollOut = (model, version, refresh) => run(model, "roll_out", refresh, {
  title: `Roll out version ${version} of ${model.model}`, button: "Roll out", fixed: { version },
  happens: "A run of the rollout DAG brings it in, stage by stage: smoke test, shadow, and shares of the traffic, each judged. It is refused where the gate is closed or another rollout is live.",
  safe: "the champion answers whoever the rollout has not drawn, and a failure returns all traffic to it.",
});
