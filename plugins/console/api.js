// Asking the console's routes. An answer of another release is never read: the page is told, and keeps what it shows.
export const VERSION = document.documentElement.dataset.version;
const HEADER = "X-Slipstream-Console", PATIENCE = 30000;

// `kind`: upgraded, ended (the session), unreachable, away (a store that the server asked: nothing was done), refused (with the reason
// that a person reads).
export class Problem extends Error {
  constructor(kind, message, next = "") { super(message); this.kind = kind; this.next = next; }
}

const told = (answer, response) => {
  const what = answer.error || (typeof answer.detail === "string" ? answer.detail : response.statusText || `status ${response.status}`);
  const next = answer.next && answer.next[0].toUpperCase() + answer.next.slice(1);
  return [what, answer.seen && `Seen: ${answer.seen}.`, next].filter(Boolean).join(" ");
};

const send = async (path, { body, known }) => {
  const headers = { Accept: "application/json" };
  if (known) headers["If-None-Match"] = known;
  if (body !== undefined) Object.assign(headers, { "Content-Type": "application/json", [HEADER]: VERSION });
  const options = { method: body === undefined ? "GET" : "POST", headers, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(PATIENCE) };
  if (body !== undefined) options.body = JSON.stringify(body);
  try { return await fetch("api/" + path, options); } catch (error) { throw new Problem("unreachable", error.name === "TimeoutError" ? `Airflow's API server did not answer within ${PATIENCE / 1000} seconds.` : "Airflow's API server did not answer."); }
};

const ask = async (path, given) => {
  const response = await send(path, given), release = response.headers.get(HEADER);
  if (response.status === 401 || response.type === "opaqueredirect") throw new Problem("ended", "Your session has ended.");
  if (release && release !== VERSION) throw new Problem("upgraded", "Slipstream was upgraded since this page was opened.");
  if (response.status === 304) return { same: true };
  const answer = await response.json().catch(() => null);
  if (response.status >= 500) throw answer?.error ? new Problem("away", answer.error) : new Problem("unreachable", `Airflow's API server answered with status ${response.status}.`);
  if (!response.ok) throw new Problem("refused", told(answer || {}, response), answer?.next || "");
  if (answer === null || !release) throw new Problem("unreachable", "Something else than Slipstream answered.");
  return { data: answer, tag: response.headers.get("ETag") || "" };
};

export const get = async path => (await ask(path, {})).data;
export const post = async (path, body) => (await ask(path, { body })).data;

// One path that is asked for again and again. What came last stays, whatever happens to the next try.
export class Feed {
  constructor(path) { Object.assign(this, { path, data: undefined, tag: "", at: 0, problem: null }); }

  // Whether there is something new to show.
  async poll() {
    const before = this.problem;
    try {
      const answer = await ask(this.path, { known: this.tag });
      this.at = Date.now();
      this.problem = null;
      if (answer.same) return before !== null;
      Object.assign(this, { data: answer.data, tag: answer.tag });
    } catch (error) {
      this.problem = error instanceof Problem ? error : new Problem("unreachable", String(error.message || error));
    }
    return true;
  }
}
