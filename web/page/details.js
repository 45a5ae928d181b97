// The panel beside the page: one partition or one worker, kept up to date while it is open, or the question what if.

import { write as address } from "./address.js";
import { byID, el, redraw } from "./dom.js";
import { direction, moment } from "./timeline.js";
import { get } from "./stream.js";
import { count, since, time } from "./words.js";
import { marks } from "./workers.js";

const most = 200; // partitions of a worker that are listed

export class Details {
  // Without whatIf nothing can be asked. answer is what is asked for history.json and explain.json.
  constructor(model, actions, whatIf, selected, answer = get) {
    this.model = model;
    this.actions = actions;
    this.whatIf = whatIf;
    this.answer = answer;
    this.selected = selected; // told which partitions are looked at, or null
    this.panel = byID("details");
    this.body = byID("details-body");
    this.shown = null; // {kind, id, history, reasons}
    byID("details-close").addEventListener("click", () => this.close());
    addEventListener("keydown", (e) => { if (e.key === "Escape" && !e.defaultPrevented && this.shown && !document.querySelector("dialog[open]")) this.close(); });
  }

  // open shows something: kind is "partition", "worker", or "whatif" with what is asked as its ID. When it is closed the focus goes back to where it came from.
  open(kind, id, from = document.activeElement) {
    if (!this.shown) this.from = from;
    this.whatIf?.end();
    this.shown = { kind, id, history: null, reasons: null };
    address(kind, id);
    this.body.replaceChildren(); // a button of what was shown before is never one of what is shown now
    this.panel.hidden = false;
    document.documentElement.classList.add("beside");
    this.write();
    byID("details-title").focus();
    if (kind === "partition") this.selected([id]);
    if (kind !== "whatif") this.read(this.shown);
    if (kind === "partition") this.explain(this.shown);
  }

  close() {
    this.shown = null;
    address();
    this.panel.hidden = true;
    document.documentElement.classList.remove("beside");
    this.whatIf?.end();
    if (this.from?.isConnected) this.from.focus();
  }

  // read gets the history. By the time it is there something else may be shown.
  async read(shown) {
    const query = new URLSearchParams({ [shown.kind]: shown.id, limit: 50 });
    const said = await this.answer(`history.json?${query}`).catch((error) => ({ error: error.message }));
    shown.history = said.error ? [el("p", {}, said.error)] : told(said.changes ?? [], shown.kind);
    if (this.shown === shown) this.write();
  }

  // explain gets the reasons why a partition is where it is. A server without them is silent.
  async explain(shown) {
    const said = await this.answer(`explain.json?${new URLSearchParams({ partition: shown.id })}`).catch(() => ({}));
    shown.reasons = said.sentences ?? [];
    if (this.shown === shown) this.write();
  }

  render(model, changes) {
    if (!this.shown || this.shown.kind === "whatif") return; // what is being written must not be written over
    const { kind, id } = this.shown;
    const workers = kind === "worker" ? [id] : holders(model, id);
    if (changes.all || workers.some((w) => changes.workers.has(w)) || this.holders !== String(workers)) this.write();
  }

  // changed adds what the journal tells meanwhile.
  changed(changes) {
    if (!this.shown) return;
    const { kind, id } = this.shown;
    if (kind === "whatif" || !changes.some((c) => c.partition === id || c.from === id || c.to === id)) return;
    this.read(this.shown);
    if (kind === "partition") this.explain(this.shown);
  }

  write() {
    const { kind, id, history, reasons } = this.shown;
    if (kind === "whatif") {
      byID("details-title").textContent = "What if …";
      return this.body.replaceChildren(...this.whatIf.form(id));
    }
    this.holders = String(kind === "worker" ? [id] : holders(this.model, id));
    byID("details-title").textContent = id;
    const said = kind === "worker" ? this.worker(this.model.workers.get(id)) : this.partition(this.model.partitions.get(id));
    redraw(this.body,
      ...said.filter(Boolean), // a part that has nothing to say is none
      ...(reasons?.length ? [el("h3", {}, "Why it is there"), el("ul", { class: "reasons" }, ...reasons.map((text) => el("li", {}, text)))] : []),
      el("h3", {}, "History"), ...(history ?? [el("p", {}, "Reading the journal …")]));
  }

  partition(partition) {
    if (!partition) return [el("p", {}, "Nobody is known to have this partition.")];
    const now = this.model.now();
    const owner = this.model.owner(partition);
    const others = partition.holdings.filter((h) => h !== owner);
    return [
      facts([
        ["Owner", owner ? this.link("worker", owner.worker.id) : "none"],
        ["Epoch", owner ? owner.epoch : "–"],
        ["Since", owner ? since(owner.since, now) : "–"],
        ["Handoff", owner?.releasing ? `${owner.worker.id} has been asked to let go` : "none"],
        ...others.map((h) => ["Record of", `${h.worker.id}${h.worker.facts.live ? "" : ", which is gone"}: epoch ${h.epoch}`]),
      ]),
    ];
  }

  worker(worker) {
    if (!worker) return [el("p", {}, "This worker is gone, and nothing is left of it.")];
    const { facts: w } = worker;
    const now = this.model.now();
    const version = this.model.head.plan?.version ?? 0;
    const labels = Object.entries(w.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(", ");
    const rows = [
      ["State", w.live ? w.state : "gone"],
      ["Flags", marks(w) || "none"],
      ["Host", w.host || "unknown"],
      ...(w.process === undefined ? [] : [["Process", w.process || "unknown"]]),
      ["Session", w.session || "none"],
      ["Last changed", w.applied ? `in version ${w.applied}; the plan is version ${version}` : "not yet"],
      ["Capacity", count(w.capacity || 1)],
      ["Labels", labels || "none"],
      ["Fair share", count(Math.round(this.model.fairShare(worker)))],
      ...(w.damped ? [["Damped", `until ${time(w.damped)}: it failed again and again`]] : []),
    ];
    const held = this.model.held(worker);
    return [
      this.actions.buttons(worker.id),
      facts(rows),
      w.live && this.whatIf ? this.questions(worker.id) : null,
      ...(w.stuck?.length ? [el("h3", {}, "Stuck"), el("ul", { class: "notes" }, ...w.stuck.map((s) => el("li", { class: "alarm" }, s)))] : []),
      el("h3", {}, `Partitions (${count(held.length)})`),
      el("div", { class: "chips" }, ...held.slice(0, most).map((h) => this.chip(h, now)), held.length > most ? el("span", {}, `and ${count(held.length - most)} more`) : null),
    ];
  }

  questions(id) {
    const ask = (text, preset) => el("button", { type: "button", class: "link", "data-key": text, onclick: () => this.open("whatif", preset) }, text);
    return el("p", { class: "questions" }, ask("What if it crashes?", { lose: id }), ask("What if it is drained?", { drain: id }));
  }

  chip(holding, now) {
    const id = holding.partition.id;
    const title = `epoch ${holding.epoch}, since ${since(holding.since, now)}`;
    return el("button", { type: "button", class: holding.releasing ? "chip releasing" : "chip", title, "data-key": id, onclick: () => this.open("partition", id) }, id);
  }

  link(kind, id) {
    return el("button", { type: "button", class: "link", "data-key": id, onclick: () => this.open(kind, id) }, id);
  }
}

const holders = (model, id) => model.partitions.get(id)?.holdings.map((h) => h.worker.id) ?? [];

const facts = (rows) => el("dl", {}, ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));

function told(changes, kind) {
  if (changes.length === 0) return [el("p", {}, "The journal tells nothing of it.")];
  const line = (c) => el("li", {},
    moment(c.at),
    el("span", { class: "why" }, `${kind === "worker" ? `${c.partition || "…"} ` : ""}${direction(c)}, epoch ${c.epoch}`),
    el("span", { class: "sum" }, c.why || "no reason was kept"));
  return [el("ol", { class: "entries" }, ...changes.toReversed().map(line))];
}
