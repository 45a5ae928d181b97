// The one connection to the server. Nothing is polled: the server pushes, and only a gap is answered with a request.

const slowest = 30_000;

export class Stream {
  // The listener has group(snapshot), delta(delta) which returns false at a gap, change(array) and state(name, sentence).
  constructor(listener) {
    this.listener = listener;
    this.wait = 1_000;
    this.repairing = null; // {kept}: a snapshot is on its way, and these deltas have come meanwhile
    // A browser may put a page aside, and bring it back later as it was.
    addEventListener("pagehide", () => this.source?.close());
    addEventListener("pageshow", (e) => { if (e.persisted) this.open(); });
  }

  open() {
    this.source = new EventSource("events");
    this.source.addEventListener("group", (e) => this.group(JSON.parse(e.data)));
    this.source.addEventListener("delta", (e) => this.delta(JSON.parse(e.data)));
    this.source.addEventListener("change", (e) => this.listener.change(JSON.parse(e.data)));
    this.source.addEventListener("error", () => this.failed());
  }

  group(snapshot) {
    this.wait = 1_000;
    this.repairing = null;
    this.listener.group(snapshot);
    this.listener.state("live", "");
  }

  delta(delta) {
    if (this.repairing) this.repairing.kept.push(delta);
    else if (!this.listener.delta(delta)) this.repair(delta);
  }

  // repair asks for a snapshot, and adds what came after it.
  async repair(delta) {
    const mine = { kept: [delta] };
    this.repairing = mine;
    this.listener.state("repairing", "");
    const snapshot = await get("group.json").catch(() => null);
    if (this.repairing !== mine) return; // the stream has begun anew, with a snapshot that is newer than this one
    this.repairing = null;
    if (!snapshot) return this.reopen(); // a new stream begins with a snapshot
    this.listener.group(snapshot);
    for (const late of mine.kept) this.delta(late);
    if (!this.repairing) this.listener.state("live", "");
  }

  // failed runs when the stream broke. The browser opens it again by itself unless the server has refused it.
  async failed() {
    if (this.source.readyState !== EventSource.CLOSED) return this.listener.state("reconnecting", "");
    const refusal = await get("group.json").then(() => null, (error) => error);
    if (refusal?.status === 404) return this.listener.state("off", refusal.message); // there is nothing to see here
    this.listener.state("reconnecting", refusal?.message ?? "");
    this.reopen();
  }

  reopen() {
    this.source.close();
    setTimeout(() => this.open(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(2 * this.wait, slowest);
  }
}

// get reads JSON. An error carries the sentence that the server gave.
export async function get(url, init) {
  const answer = await fetch(url, init);
  const type = answer.headers.get("content-type") ?? "";
  const body = type.includes("json") ? await answer.json() : null;
  if (!answer.ok) {
    const sentence = body?.error ?? `The server answered ${answer.status} ${answer.statusText}.`;
    throw Object.assign(new Error(sentence), { status: answer.status });
  }
  return body;
}
