// What waits: workers that are stuck, and partitions on their way from one worker to the next.

import { byID, el, redraw, say } from "./dom.js";
import { count, lasting, many, time } from "./words.js";

const most = 40; // handoffs that are listed

export class Notices {
  constructor(open) {
    this.open = open;
    this.said = "";
    this.releasing = []; // the handoffs that are listed
  }

  render(model) {
    this.stuck(model);
    const releasing = model.releasing();
    say(byID("handoffs-title"), releasing.length ? `Handoffs under way (${count(releasing.length)})` : "Handoffs under way");
    this.releasing = releasing.slice(0, most);
    const rest = releasing.length - most;
    const lines = this.releasing.map((holding) => this.handoff(holding, model));
    if (rest > 0) lines.push(el("li", {}, `and ${count(rest)} more`));
    redraw(byID("handoffs"), ...(lines.length ? lines : [el("li", { class: "none" }, "Nothing is being handed over.")]));
  }

  // stuck is read out by screen readers, so that it is written only when it is not what stands there.
  stuck(model) {
    const found = model.order().flatMap(({ id, facts, holdings }) => complaints(facts, holdings.size).map((text) => [id, text]));
    const said = JSON.stringify(found);
    if (said === this.said) return;
    this.said = said;
    const lines = found.map(([id, text]) => el("li", { class: "alarm", "data-key": id }, this.link("worker", id), ` ${text}`));
    redraw(byID("stuck"), ...(lines.length ? lines : [el("li", { class: "none" }, "Nothing is stuck.")]));
  }

  handoff(holding, model) {
    const { partition, worker } = holding;
    return el("li", { "data-key": `${partition.id} ${worker.id}` },
      this.link("partition", partition.id), " leaves ", this.link("worker", worker.id), el("span", { class: "age" }, age(holding, model)));
  }

  link(kind, id) {
    return el("button", { type: "button", class: "link", "data-key": id, onclick: (e) => this.open(kind, id, e.currentTarget) }, id);
  }

  // tick writes how long each handoff takes so far.
  tick(model) {
    this.releasing.forEach((holding, i) => say(byID("handoffs").children[i].querySelector(".age"), age(holding, model)));
  }
}

const age = (holding, model) => lasting(model.now() - holding.asked);

// complaints says what is wrong with a worker, a sentence each.
function complaints(facts, held) {
  const said = [...facts.stuck ?? []];
  if (!facts.live && held > 0) said.push(`is gone, with records of ${many(held, "partition")}`);
  if (facts.damped) said.push(`failed again and again, and gets nothing until ${time(facts.damped)}`);
  return said;
}
