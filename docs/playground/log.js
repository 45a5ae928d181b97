// What the player did, and what came of it, newest first.

import { byID, el } from "./page/dom.js";
import { time } from "./page/words.js";

const most = 120;

export class Log {
  constructor() {
    this.list = byID("log");
  }

  add(news) {
    const lines = news.map(({ at, kind, text }) => el("li", { "data-kind": kind }, el("time", {}, time(at)), el("span", {}, text)));
    this.list.prepend(...lines.reverse());
    while (this.list.children.length > most) this.list.lastChild.remove();
  }
}
