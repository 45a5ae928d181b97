// What waits: workers that are stuck, and partitions on their way from one worker to the next.

import { byID, el, say } from "./dom.js";
import { count, lasting, many, time } from "./words.js";

const most = 40; // handoffs that are listed

export class Notices {
  constructor(open) {
    this.open = open;
    this.said = "";
    this.handoffs = [];
  }

  render(model) {
    this.stuck(model);
    const releasing = model.releasing();
    say(byID("handoffs-title"), releasing.length ? `Handoffs under way (${count(releasing.length)})` : "Handoffs under way");
    this.handoffs = releasing.slice(0, most).map((holding) => this.handoff(holding));
    const rest = releasing.length - most;
    const lines = this.handoffs.map(({ line }) => line);
    if (rest > 0) lines.push(el("li", {}, `and ${count(rest)} more`));
    byID("handoffs").replaceChildren(...(lines.length ? lines : [el("li", { class: "none" }, "Nothing is being handed over.")]));
    this.tick(model);
  }

  // stuck is read out by screen readers, so that it is written only when it is not what stands there.
  stuck(model) {
    const found = model.order().flatMap(({ id, facts, holdings }) => complaints(facts, holdings.size).map((text) => [id, text]));
    const said = JSON.stringify(found);
    if (said === this.said) return;
    this.said = said;
    const lines = found.map(([id, text]) => el("li", { class: "alarm" }, this.link("worker", id), ` ${text}`));
    byID("stuck").replaceChildren(...(lines.length ? lines : [el("li", { class: "none" }, "Nothing is stuck.")]));
  }

  handoff(holding) {
    const age = el("span", { class: "age" });
    const line = el("li", {}, this.link("partition", holding.partition.id), " leaves ", this.link("worker", holding.worker.id), age);
    return { holding, age, line };
  }

  link(kind, id) {
    const link = el("button", { type: "button", class: "link", onclick: () => this.open(kind, id, link) }, id);
    return link;
  }

  // tick writes how long each handoff takes so far.
  tick(model) {
    for (const { holding, age } of this.handoffs) say(age, lasting(model.now() - holding.asked));
  }
}

// complaints says what is wrong with a worker, a sentence each.
function complaints(facts, held) {
  const said = [...facts.stuck ?? []];
  if (!facts.live && held > 0) said.push(`is gone, with records of ${many(held, "partition")}`);
  if (facts.damped) said.push(`failed again and again, and gets nothing until ${time(facts.damped)}`);
  return said;
}
