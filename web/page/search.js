// The search field: a combobox over workers and partitions.

import { byID, el } from "./dom.js";

const most = 8;

export class Search {
  constructor(model, open) {
    this.model = model;
    this.open = open;
    this.input = byID("search-input");
    this.list = byID("search-list");
    this.found = [];
    this.at = -1;
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("keydown", (e) => this.key(e));
    this.input.addEventListener("focus", () => this.input.select());
    this.input.addEventListener("blur", () => this.close());
    byID("search").addEventListener("submit", (e) => { e.preventDefault(); this.take(Math.max(0, this.at)); });
    addEventListener("keydown", (e) => this.shortcut(e));
  }

  // shortcut: a slash goes to the field, unless something is being written already.
  shortcut(e) {
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.("input, select, dialog")) return;
    e.preventDefault();
    this.input.focus();
  }

  look() {
    this.found = find(this.model, this.input.value.trim());
    this.at = -1;
    this.list.replaceChildren(...this.found.map(({ kind, id, where }, i) =>
      // A press would take the focus from the field, and with it the list away, before the click comes.
      el("li", { role: "option", id: `found-${i}`, "aria-selected": "false", onpointerdown: (e) => e.preventDefault(), onclick: () => this.take(i) },
        el("b", {}, id), el("span", {}, kind === "worker" ? "worker" : where))));
    this.show(this.input.value.trim() !== "" && this.found.length > 0);
  }

  show(open) {
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", open);
    if (!open) this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.show(false);
  }

  key(e) {
    if (e.key === "Escape") this.close();
    else if (e.key === "ArrowDown") this.move(1);
    else if (e.key === "ArrowUp") this.move(-1);
    else return;
    e.preventDefault();
  }

  move(by) {
    if (this.list.hidden) return this.look();
    this.at = (this.at + by + this.found.length) % this.found.length;
    [...this.list.children].forEach((item, i) => item.setAttribute("aria-selected", i === this.at));
    this.input.setAttribute("aria-activedescendant", `found-${this.at}`);
  }

  take(i) {
    const chosen = this.found[i];
    this.close();
    if (chosen) this.open(chosen.kind, chosen.id, this.input);
  }
}

// find returns what has a text in its ID, those first that are or begin with it.
function find(model, text) {
  if (!text) return [];
  const wanted = text.toLowerCase();
  const hits = [];
  const take = (kind, id, where) => {
    const place = id.toLowerCase().indexOf(wanted);
    if (place >= 0) hits.push({ kind, id, where, score: id.length === wanted.length ? -1 : place });
  };
  for (const worker of model.order()) take("worker", worker.id, "");
  for (const partition of model.ranks()) take("partition", partition.id, model.owner(partition)?.worker.id ?? "no owner");
  return hits.sort((a, b) => a.score - b.score || a.id.length - b.id.length).slice(0, most);
}
