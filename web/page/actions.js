// What the reader may do: only what the server allows for this request, and only after a question.

import { byID, el, say } from "./dom.js";
import { get } from "./stream.js";

const known = {
  drain: ["Drain", (w) => `${w} hands its partitions over one by one while it goes on working, and then leaves the group for good.`],
  cordon: ["Cordon", (w) => `${w} keeps what it has and gets nothing new, until it is uncordoned.`],
  uncordon: ["Uncordon", (w) => `${w} may be given partitions again.`],
  refresh: ["List partitions again", () => "The leader asks the source again which partitions there are."],
};

export class Actions {
  constructor(model) {
    this.model = model;
    this.allowed = [];
    this.only = ""; // the one worker that can be asked, "" for any
    this.dialog = byID("confirm");
    byID("confirm-no").addEventListener("click", () => this.dialog.close());
    byID("confirm-yes").addEventListener("click", () => this.confirmed());
  }

  // ask learns what is allowed. A server that does not say so allows nothing.
  async ask() {
    const said = await get("capabilities.json").catch(() => ({}));
    this.allowed = (said.actions ?? []).filter((name) => name in known);
    this.only = said.remote ? "" : said.worker ?? "";
    byID("status-link").hidden = !said.manager;
  }

  // buttons returns the buttons for a worker, or nothing where nothing is allowed.
  buttons(worker) {
    const facts = this.model.workers.get(worker)?.facts ?? {};
    const fits = (name) => (name === "cordon" ? !facts.cordoned : name === "uncordon" ? facts.cordoned : name === "drain" ? !facts.leaving : true);
    const names = facts.live && (!this.only || this.only === worker) ? this.allowed.filter(fits) : [];
    if (names.length === 0) return null;
    return el("div", { class: "actions" },
      ...names.map((name) => el("button", { type: "button", "data-key": name, onclick: () => this.question(name, worker) }, known[name][0])),
      el("p", { class: "outcome", role: "status", "data-key": worker }, this.said?.worker === worker ? this.said.text : ""));
  }

  question(name, worker) {
    const [title, text] = known[name];
    this.wanted = { name, worker };
    say(byID("confirm-title"), `${title}: ${worker}`);
    say(byID("confirm-text"), text(worker));
    say(byID("confirm-yes"), title);
    this.dialog.showModal();
    byID("confirm-no").focus();
  }

  async confirmed() {
    const { name, worker } = this.wanted;
    this.dialog.close();
    this.tell(worker, `${known[name][0]} was asked for …`);
    try {
      await get(`${name}?${new URLSearchParams({ worker })}`, { method: "POST", headers: { "X-Parti-Action": "1" } });
      this.tell(worker, name === "drain" ? "The drain has begun." : `${known[name][0]}: done.`);
    } catch (error) {
      this.tell(worker, error.message);
    }
  }

  tell(worker, text) {
    this.said = { worker, text };
    const outcome = document.querySelector(`.outcome[data-key="${CSS.escape(worker)}"]`);
    if (outcome) say(outcome, text);
  }
}
