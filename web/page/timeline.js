// The journal as a list, newest first: each decision with its reason, and what it moved. A decision that moves partitions takes
// several versions of the plan: in one their owners are asked for them, in the next they are granted.

import { byID, el, say } from "./dom.js";
import { count, lasting, many, time } from "./words.js";

const most = 300; // decisions that are kept
const lastsFor = 300_000; // milliseconds from the first to the last version of a decision, at most
const apart = 3; // versions, at most: something urgent may come between
const bars = 60;
const spans = [60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000];

export class Timeline {
  constructor(now) {
    this.now = now;
    this.plans = new Set(); // {at, version, last, term, by, why, moves, seen, item}
    this.known = new Map(); // plans by term and version
    this.list = byID("timeline");
    this.strip = Array.from({ length: bars }, () => el("i"));
    byID("strip").append(...this.strip);
    this.empty();
  }

  // add takes changes of the journal, oldest first. Those that are known already are left out: after a reconnect they come again.
  add(changes) {
    const touched = new Set();
    for (const change of changes) {
      const plan = this.plan(change);
      const key = `${change.version}:${change.partition}>${change.from}>${change.to}`;
      if (plan.seen.has(key)) continue;
      plan.seen.add(key);
      plan.moves.push(change);
      touched.add(plan);
    }
    for (const plan of touched) this.show(plan);
    this.drop();
    this.empty();
    this.tick();
  }

  plan(change) {
    const key = `${change.term}.${change.version}`;
    let plan = this.known.get(key) ?? this.continued(change);
    if (!plan) {
      const { at, version, term, by, why } = change;
      plan = { at, version, last: version, term, by, why, moves: [], seen: new Set(), item: null };
      this.plans.add(plan);
    }
    plan.last = Math.max(plan.last, change.version);
    this.known.set(key, plan);
    return plan;
  }

  // continued returns the decision that a change goes on with.
  continued({ at, version, term, why }) {
    if (!why) return undefined;
    return [...this.plans].find((p) => p.term === term && p.why === why && version > p.last && version - p.last <= apart && at - p.at <= lastsFor);
  }

  show(plan) {
    const item = entry(plan);
    if (plan.item) plan.item.replaceWith(item);
    else this.list.insertBefore(item, this.after(plan));
    plan.item = item;
  }

  // after is the newest item that is older than a plan.
  after(plan) {
    const older = [...this.plans].filter((p) => p.item && (p.at - plan.at || p.version - plan.version) < 0);
    return older.reduce((newest, p) => ((p.at - newest.at || p.version - newest.version) > 0 ? p : newest), older[0] ?? {}).item ?? null;
  }

  drop() {
    const surplus = this.plans.size - most;
    if (surplus <= 0) return;
    const oldest = [...this.plans].sort((a, b) => a.at - b.at || a.version - b.version).slice(0, surplus);
    for (const plan of oldest) {
      plan.item.remove();
      this.plans.delete(plan);
    }
    for (const [key, plan] of this.known) if (!this.plans.has(plan)) this.known.delete(key);
  }

  empty() {
    const nothing = this.plans.size === 0;
    if (nothing && !this.list.firstChild) this.list.append(el("li", { class: "none" }, "The journal is empty."));
    if (!nothing) this.list.querySelector(".none")?.remove();
  }

  // tick draws how much moved when, over a span that holds all that is known.
  tick() {
    const now = this.now();
    const plans = [...this.plans];
    const oldest = plans.reduce((oldest, p) => Math.min(oldest, p.at), now);
    const span = spans.find((span) => now - oldest < span) ?? spans.at(-1);
    const sums = new Array(bars).fill(0);
    for (const { moves } of plans) {
      for (const { at } of moves) {
        const bar = bars - 1 - Math.floor((now - at) / span * bars);
        if (bar >= 0) sums[Math.min(bars - 1, bar)]++;
      }
    }
    const top = Math.max(1, ...sums);
    // The root keeps small changes visible beside large ones.
    sums.forEach((sum, i) => { this.strip[i].style.height = sum ? `${Math.max(8, 100 * Math.sqrt(sum / top))}%` : ""; });
    const moved = sums.reduce((all, sum) => all + sum, 0);
    say(byID("timeline-hint"), `${many(moved, "change")} in the last ${lasting(span)}`);
    byID("strip").setAttribute("aria-label", `${many(moved, "change")} in the last ${lasting(span)}, at most ${count(Math.max(...sums))} at once`);
  }
}

function entry(plan) {
  const body = el("div", { class: "moves" });
  const details = el("details", { ontoggle: () => { if (details.open && !body.firstChild) body.append(...listed(plan.moves)); } },
    el("summary", {},
      moment(plan.at),
      el("span", { class: "why" }, plan.why || "no reason was kept"),
      el("span", { class: "sum" }, summed(plan.moves))),
    body);
  const versions = plan.last > plan.version ? `versions ${plan.version} to ${plan.last}` : `version ${plan.version}`;
  return el("li", { title: `${versions}, term ${plan.term}, by ${plan.by}` }, details);
}

// moment writes a time of the day, and beside it, for those who compare, the whole of it in UTC.
export function moment(at) {
  const exact = new Date(at).toISOString();
  return el("time", { datetime: exact, title: exact }, time(at));
}

// summed tells in one line where the partitions of a decision went. What was asked back and granted since counts once.
function summed(moves) {
  const unknown = moves.reduce((sum, m) => sum + (m.left || 0), 0);
  const granted = moves.filter((m) => m.to);
  const arrived = new Set(granted.map((m) => m.partition));
  const asked = moves.filter((m) => !m.left && !m.to && !arrived.has(m.partition));
  const said = [];
  if (granted.length > 0) said.push(`${count(granted.length)} ${ends(granted)}`);
  if (asked.length > 0) said.push(`${count(asked.length)} asked back from ${each(asked, "from")}`);
  if (unknown > 0) said.push(`${count(unknown)} that the journal could not keep`);
  return said.join(", ");
}

const ends = (moves) => (moves.some((m) => m.from) ? `from ${each(moves, "from")} to ${each(moves, "to")}` : `to ${each(moves, "to")}`);

// each names a worker where it is one, and counts them where they are more.
function each(moves, end) {
  const workers = new Set(moves.map((m) => m[end]).filter(Boolean));
  return workers.size === 1 ? [...workers][0] : many(workers.size, "worker");
}

export function direction({ from, to, left }) {
  if (left) return "that the journal could not keep";
  if (!to) return `asked back from ${from}`;
  return from ? `${from} → ${to}` : `→ ${to}`;
}

const shown = 100;

function listed(moves) {
  const lines = moves.slice(0, shown).map((m) => el("p", {}, el("b", {}, m.partition || "…"), ` ${direction(m)}, epoch ${m.epoch}`));
  if (moves.length > shown) lines.push(el("p", {}, `and ${count(moves.length - shown)} more`));
  return lines;
}
