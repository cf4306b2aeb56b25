// What every number and word of the console means: shown on hover, told to a screen reader, and listed at the foot of each page.
// Words of docs/glossary.md mean the same here. {key: [title, text]}
import { html } from "./lib.js";

export const TERMS = {
  model: ["model", "The model's name: that of its folder, its DAGs and its route in the gateway."],
  owner: ["owner", "The team that answers for the model, as its spec says."],
  health: ["health", "The worst of what is known: failing where nothing serves or an alert is open, worse where performance fell, drift, stale where data are late, else healthy."],
  champion: ["champion", "The version in production: it answers whoever no rollout has drawn."],
  challenger: ["challenger", "The version that a live rollout compares with the champion."],
  freshness: ["data until", "The newest published partition of the model's features, and how old its end is."],
  partitions: ["published", "Partitions (days, mostly) whose features were validated and published."],
  performance: ["performance", "The gate's metric on the labels that landed for the newest judged window."],
  expected: ["expected", "What the champion's holdout promised for the same metric."],
  drift: ["drift", "How far the farthest column moved, as a share of its alarm: 100 % is the alarm."],
  rollout: ["rollout", "The live rollout: the version that it brings in, and the stage that it is in."],
  alerts: ["alerts", "Rollouts that paged somebody and are not over, and gateways that refuse the model's route."],
  cost_answers: ["cost of 1,000", "Money for a thousand predictions, by the measured processor time and the price table. Unknown where no price was given."],
  cost_training: ["cost of training", "Money that making this version took, killed attempts included, by the price table."],
  decision: ["decision", "What the policy did about the newest monitored window: retrain, or hold, and why."],
  version: ["version", "The registry's number of a trained result, and its semantic version."],
  stage: ["stage", "Where a version stands: Candidate, Staging, Production, Archived."],
  as_of: ["data until", "The moment that the version was trained as of: it knows nothing later."],
  gate: ["gate", "The verdict on the version's evaluation: open, or closed and why."],
  made: ["made", "How the version came to be, and when it was registered."],
  boosted: ["boosting", "The same metric of gradient boosting on the same rows: what a cheap model reaches."],
  metric: ["metric", "Measured on the version's own holdout."],
  weight: ["share", "Percent of the entities that a version answers."],
  window: ["window", "The stretch of event time that one check looks at, half open."],
  rows: ["rows", "Requests of the window that were collected from the prediction log."],
  labelled: ["labelled", "Of these, those whose outcome has landed."],
  requests: ["requests", "Requests that the arm has answered in this stage, up to now."],
  entities: ["entities", "Different entities behind these requests: the rails count each once."],
  needed: ["needed", "Requests of the challenger until the stage may pass, if nothing speaks against it."],
  deadline: ["deadline", "When the stage is decided at the latest; time in which it was paused does not count."],
  rail: ["rail", "An event that must not be more frequent with the challenger: an error, a slow answer, a wrong one."],
  boundary: ["boundary", "The count at which the rail ends the rollout. It is exact however often one looks."],
  nearness: ["used up", "The events so far as a share of the boundary: at 100 % the rollout is rolled back."],
  feature: ["feature", "An input of the model, from one of its views."],
  view: ["view", "A table of feature values by entity keys and event time, with a version that its definition gives it."],
  age: ["age", "How old the newest value online is."],
  promise: ["promise", "How old it may be, as the view says."],
  missing: ["missing", "Share of the newest published day's rows without a value."],
  values: ["values", "Quantiles of numbers (least, quarter, half, three quarters, most), or the commonest of other values, on the newest published day."],
  dtype: ["type", "The feature's type."],
  users: ["used by", "Models whose specs read the view, and live versions that were trained on it."],
  digest: ["digest", "SHA-256 of the bytes: equal digests are equal data."],
  parameter: ["parameter", "What the step was asked with."],
  when: ["when", "When it happened, UTC on hover."],
  who: ["who", "The person or the task that did it."],
  what: ["what", "What was done, from the audit's chain."],
  state: ["state", "Where it stands."],
};

const used = new Set();
export const meaning = key => {
  used.add(key);
  const [title, text] = TERMS[key];
  return { title, text };
};
export const glossary = () => html`<dl class="glossary">${[...used].sort().map(key => html`<div><dt>${TERMS[key][0]}</dt><dd>${TERMS[key][1]}</dd></div>`)}</dl>`;
