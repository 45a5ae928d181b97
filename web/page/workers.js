// The table of workers: what each is, and its load against its fair share. It is the map's equivalent for who cannot see it.

import { byID, el, say } from "./dom.js";
import { count, many } from "./words.js";

export class Workers {
  constructor(open) {
    this.open = open;
    this.rows = new Map(); // by worker ID
    this.body = byID("workers");
  }

  render(model, changes) {
    const most = scale(model);
    if (changes.all || most !== this.most || this.someoneCameOrLeft(model)) this.all(model, most);
    else for (const id of changes.workers) this.row(model, model.workers.get(id));
    say(byID("workers-hint"), hint(model));
  }

  someoneCameOrLeft(model) {
    return this.rows.size !== model.workers.size || [...this.rows.keys()].some((id) => !model.workers.has(id));
  }

  all(model, most) {
    this.most = most;
    for (const [id, row] of this.rows) {
      if (model.workers.has(id)) continue;
      row.line.remove();
      this.rows.delete(id);
    }
    let place = this.body.firstElementChild;
    for (const worker of model.order()) {
      const { line } = this.row(model, worker);
      if (line === place) place = place.nextElementSibling;
      else this.body.insertBefore(line, place);
    }
  }

  row(model, worker) {
    let row = this.rows.get(worker.id);
    if (!row) {
      row = newRow(() => this.open(worker.id, row.name));
      this.rows.set(worker.id, row);
    }
    const { facts } = worker;
    const held = worker.holdings.size;
    const fair = model.fairShare(worker);
    say(row.name, worker.id);
    say(row.marks, marks(facts));
    say(row.state, facts.live ? facts.state : "gone");
    row.dot.dataset.state = facts.live ? facts.state : "gone";
    say(row.number, count(held));
    row.bar.style.width = `${100 * held / this.most}%`;
    row.fair.style.left = `${100 * fair / this.most}%`;
    row.fair.hidden = fair === 0;
    row.bar.classList.toggle("over", fair > 0 && held > Math.ceil(fair) * 1.25);
    row.load.setAttribute("aria-label", fair ? `${count(held)} of a fair share of ${count(Math.round(fair))}` : `${count(held)}, no fair share`);
    return row;
  }
}

function newRow(open) {
  const row = {
    name: el("button", { type: "button", class: "link", onclick: open }),
    marks: el("span", { class: "marks" }),
    dot: el("i", { class: "dot" }),
    state: el("span"),
    bar: el("i", { class: "bar" }),
    fair: el("i", { class: "fair" }),
    number: el("td", { class: "number" }),
  };
  row.load = el("div", { class: "load", role: "img" }, row.bar, row.fair);
  row.line = el("tr", {},
    el("th", { scope: "row" }, row.name, row.marks),
    el("td", { class: "state" }, row.dot, row.state),
    el("td", {}, row.load),
    row.number);
  return row;
}

// marks are the flags beside the state.
export function marks(facts) {
  const said = [];
  if (facts.leader) said.push("leads");
  if (facts.leaving) said.push("leaving");
  if (facts.cordoned) said.push("cordoned");
  if (facts.damped) said.push("damped");
  if (facts.mood) said.push(facts.mood);
  if (facts.stuck?.length) said.push("stuck");
  return said.join(", ");
}

// scale is what a full bar means: steps of it, so that one partition more does not change every row.
function scale(model) {
  let most = 1;
  for (const w of model.workers.values()) most = Math.max(most, w.holdings.size, model.fairShare(w));
  const step = 10 ** Math.max(0, Math.floor(Math.log10(most)) - 1) * 2;
  return Math.ceil(most * 1.02 / step) * step;
}

function hint(model) {
  const certificate = model.head.plan?.certificate;
  if (!certificate) return "";
  const moves = `${many(certificate.moves ?? 0, "move")}, at least ${count(certificate.leastMoves ?? 0)} needed`;
  return `the last plan: ${moves}`;
}
