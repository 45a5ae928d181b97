// The table of processes: what each is, for how long it is trusted, and the buttons that do something to it.

import { byID, el, say } from "./page/dom.js";
import { count, natural } from "./page/words.js";

const longest = 6_000; // milliseconds: the life of a heartbeat in the store

export class Fleet {
  // act is called with an action and the name of a process; open with the ID of a worker and the element that was clicked.
  constructor(act, open) {
    this.act = act;
    this.open = open;
    this.rows = new Map(); // by the name of the process
    this.body = byID("fleet");
    this.order = "";
  }

  render(processes) {
    const list = [...processes].sort((a, b) => (key(a) < key(b) ? -1 : 1));
    const order = list.map((p) => p.name).join();
    for (const process of list) this.row(process);
    if (order === this.order) return;
    this.order = order;
    const here = new Set(list.map((p) => p.name));
    for (const [name, row] of this.rows) {
      if (here.has(name)) continue;
      row.line.remove();
      this.rows.delete(name);
    }
    const focused = document.activeElement;
    this.body.append(...list.map((p) => this.rows.get(p.name).line));
    if (this.body.contains(focused)) focused.focus(); // what is moved loses it
  }

  row(process) {
    let row = this.rows.get(process.name);
    if (!row) {
      row = this.newRow(process.name);
      this.rows.set(process.name, row);
    }
    row.process = process;
    say(row.worker, process.worker || "no ID yet");
    say(row.marks, [process.leader && "leads", process.mood].filter(Boolean).join(", "));
    say(row.state, process.dead ? "gone" : process.state);
    set(row.dot.dataset, "state", process.dead ? "gone" : process.state);
    set(row.line.dataset, "dead", String(process.dead));
    set(row.line.dataset, "mood", process.mood);
    say(row.runs, count(process.runs));
    this.trust(row, process);
    for (const [action, button] of row.buttons) button.disabled = process.dead || process.frozen && action === "stop";
    label(row.buttons.get("freeze"), process.frozen ? "Thaw" : "Freeze", process);
    label(row.buttons.get("cut"), process.cut ? "Heal" : "Cut", process);
    label(row.buttons.get("kill"), "Kill", process);
    label(row.buttons.get("stop"), "Stop", process);
  }

  // trust moves the bar, in steps that can be seen.
  trust(row, { trust, lease }) {
    const steps = Math.round(trust / longest * 200);
    if (steps !== row.steps) {
      row.steps = steps;
      row.bar.style.transform = `scaleX(${steps / 200})`;
      set(row.bar.dataset, "low", String(trust < 1_500));
    }
    const at = Math.round(lease / longest * 200);
    if (at !== row.at) {
      row.at = at;
      row.end.style.left = `calc(${at / 2}% - 2px)`;
      row.end.hidden = at === 0;
    }
    say(row.left, trust > 0 ? `${(trust / 1000).toFixed(1)} s` : "none");
  }

  newRow(name) {
    const row = {
      worker: el("button", { type: "button", class: "link", onclick: () => row.process.worker && this.open(row.process.worker, row.worker) }),
      marks: el("span", { class: "marks" }),
      dot: el("i", { class: "dot" }),
      state: el("span"),
      bar: el("i", { class: "bar" }),
      end: el("i", { class: "line" }),
      left: el("span", { class: "left" }),
      runs: el("td", { class: "number" }),
      buttons: new Map(),
    };
    for (const action of ["kill", "freeze", "cut", "stop"]) {
      row.buttons.set(action, el("button", { type: "button", "data-act": action, onclick: () => this.act(toggled(action, row.process), name) }));
    }
    row.line = el("tr", { "data-process": name },
      el("th", { scope: "row" }, row.worker, row.marks, el("span", { class: "process" }, name)),
      el("td", { class: "state" }, row.dot, row.state),
      el("td", {}, el("div", { class: "trust" }, el("div", { class: "track" }, row.bar, row.end), row.left)),
      row.runs,
      el("td", {}, ...row.buttons.values()));
    return row;
  }
}

// toggled is what a button does: the contrary, where that is done already.
export function toggled(action, process) {
  if (action === "freeze" && process.frozen) return "thaw";
  if (action === "cut" && process.cut) return "heal";
  return action;
}

const key = (p) => `${p.worker ? natural(p.worker) : "~"} ${natural(p.name)}`;

function set(data, name, value) {
  if (data[name] !== value) data[name] = value;
}

function label(button, text, process) {
  if (button.textContent === text && button.dataset.of === process.worker) return;
  button.textContent = text;
  button.dataset.of = process.worker;
  button.setAttribute("aria-label", `${text} ${process.worker || process.name}`);
}
