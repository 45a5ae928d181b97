// How fast simulated time goes: the buttons for that, their keys, and the clock.

import { byID, el, say } from "./page/dom.js";

const speeds = [1, 2, 5, 10, 30, 100];
const step = 100; // simulated milliseconds

export class Pace {
  // advance is called with simulated milliseconds when the reader asks for a step.
  constructor(advance) {
    this.advance = advance;
    this.speed = 1;
    this.paused = false;
    this.buttons = speeds.map((speed) => el("button", { type: "button", onclick: () => this.set(speed) }, `${speed}×`));
    byID("speeds").append(...this.buttons);
    byID("pause").addEventListener("click", () => this.pause());
    byID("step").addEventListener("click", () => this.step());
    addEventListener("keydown", (e) => this.key(e));
    this.set(1);
  }

  set(speed) {
    this.speed = speed;
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", speeds[i] === speed));
  }

  pause(paused = !this.paused) {
    this.paused = paused;
    byID("pause").setAttribute("aria-pressed", paused);
    say(byID("pause"), paused ? "Go on" : "Pause");
  }

  step() {
    this.pause(true);
    this.advance(step);
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.("input, select, textarea, dialog")) return;
    const next = speeds.indexOf(this.speed) + (e.key === "]" ? 1 : -1);
    if (e.key === " " && !e.target.closest?.("button, a, summary")) this.pause();
    else if (e.key === ".") this.step();
    else if (e.key === "[" || e.key === "]") this.set(speeds[Math.min(speeds.length - 1, Math.max(0, next))]);
    else return;
    e.preventDefault();
  }

  // show writes how much simulated time has passed, and how fast where that is slower than asked for.
  show(passed, reached) {
    say(byID("clock"), clock(passed));
    say(byID("pace"), reached && reached < 0.85 * this.speed ? `this machine reaches ${Math.max(1, Math.round(reached))}×` : "");
  }
}

function clock(ms) {
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  return `${two(ms / 3_600_000)}:${two(ms / 60_000 % 60)}:${two(ms / 1000 % 60)}.${Math.floor(ms / 100 % 10)}`;
}
