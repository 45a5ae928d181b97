// The question what a change would do, asked before anybody makes it. Nothing here changes the group.

import { byID, el, say } from "./dom.js";
import { get } from "./stream.js";
import { count, many } from "./words.js";

const strategies = ["sticky", "hash", "rendezvous", "roundrobin"];

export class WhatIf {
  // show is called with the partitions that would move, or with null.
  constructor(model, show) {
    this.model = model;
    this.show = show;
    this.asked = 0; // counts questions: an answer to an older one is not shown any more
  }

  // form returns the question, with a worker chosen where one was asked about.
  form(preset) {
    const workers = this.model.order().filter((w) => w.facts.live).map((w) => w.id);
    this.join = el("input", { type: "number", id: "whatif-join", min: 0, max: 1000, value: 0 });
    this.lose = choice("whatif-lose", "none", workers, preset.lose);
    this.drain = choice("whatif-drain", "none", workers, preset.drain);
    this.strategy = choice("whatif-strategy", "as now", strategies, "");
    this.answer = el("div", { class: "answer", role: "status" });
    const form = el("form", { class: "question", onsubmit: (e) => { e.preventDefault(); this.ask(); } },
      ...field("Workers that join", this.join), ...field("Worker that crashes", this.lose), ...field("Worker that is drained", this.drain),
      ...field("Strategy", this.strategy),
      el("button", { class: "strong", "data-key": "ask" }, "What would happen?"));
    if (preset.lose || preset.drain) this.ask();
    return [form, this.answer];
  }

  async ask() {
    const question = ++this.asked;
    const query = new URLSearchParams();
    if (this.join.valueAsNumber > 0) query.set("workers", `+${this.join.valueAsNumber}`);
    if (this.lose.value) query.set("lose", this.lose.value);
    if (this.drain.value) query.set("drain", this.drain.value);
    if (this.strategy.value) query.set("strategy", this.strategy.value);
    const into = this.answer;
    say(into, "Planning …");
    const answer = await get(`whatif.json?${query}`).catch((error) => ({ error: error.message }));
    if (question !== this.asked) return;
    if (answer.error) return say(into, answer.error);
    into.replaceChildren(...told(answer));
    this.show((answer.moves ?? []).map((move) => move.partition));
  }

  // end forgets the question: what is still on its way is not shown.
  end() {
    this.asked++;
    this.show(null);
  }
}

function choice(id, none, values, chosen) {
  const options = values.map((value) => el("option", { value, selected: value === chosen ? "" : null }, value));
  return el("select", { id }, el("option", { value: "" }, none), ...options);
}

const field = (name, input) => [el("label", { for: input.id }, name), input];

// told writes the answer: its sentence, then the figures behind it.
function told({ verdict, before, after, moves = [], leastMoves, ownerless = [], notes = [] }) {
  const load = (balance) => (balance?.imbalance ? balance.imbalance.toFixed(2) : "–");
  const rows = [
    ["Moves", `${count(moves.length)}, at least ${count(leastMoves)} needed`],
    ["Fullest worker", `${load(before)} of its fair share before, ${load(after)} after`],
    ...ownerless.map((o) => ["No owner", `${many(o.partitions, "partition")} for ${time(o.typicalMs)} (${time(o.leastMs)} to ${time(o.mostMs)})`]),
  ];
  return [
    el("p", { class: "verdict" }, verdict),
    el("dl", {}, ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    ...notes.map((note) => el("p", { class: "note" }, note)),
    moves.length > 0 ? el("p", { class: "note" }, "The map shows a ring around what would move.") : "",
  ];
}

const time = (ms) => (ms < 1_000 ? `${count(Math.round(ms ?? 0))} ms` : `${(ms / 1_000).toFixed(1)} s`);

// startWhatIf makes the button that opens the question for the whole group.
export function startWhatIf(open) {
  const button = byID("whatif-open");
  button.addEventListener("click", () => open("whatif", {}, button));
}
