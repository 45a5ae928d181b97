// The top of the page: one sentence, then the figures.

import { byID, el, say } from "./dom.js";
import { count, lasting, many, time } from "./words.js";

const names = ["Leader", "Term", "Version", "Phase", "Workers", "Partitions", "No owner", "Store"];
const versions = "It grows with each plan. The versions of a new leader begin above its clock in milliseconds: only their order means something.";

export class Health {
  constructor() {
    this.values = new Map();
    for (const name of names) {
      const value = el("dd", {}, "–");
      this.values.set(name, value);
      if (name === "Version") value.title = versions;
      byID("facts").append(el("div", {}, el("dt", {}, name), value));
    }
  }

  render(model) {
    const { head } = model;
    const plan = head.plan ?? {};
    const live = model.order().filter((w) => w.facts.live).length;
    say(byID("group-name"), head.group || "Parti");
    document.title = head.group ? `${head.group} · Parti` : "Parti";
    this.set("Leader", head.leader || "none", head.leader ? "" : "alarm");
    this.set("Term", count(plan.term));
    this.set("Version", String(plan.version ?? "–"));
    this.set("Phase", phase(plan), plan.phase && plan.phase !== "idle" ? "busy" : "");
    this.set("Workers", live === model.workers.size ? count(live) : `${count(live)} of ${count(model.workers.size)}`);
    this.set("Partitions", count(plan.partitions ?? 0));
    this.set("No owner", count(head.unowned), head.unowned ? "alarm" : "");
    this.tick(model);
  }

  // tick writes what changes with the time alone.
  tick(model) {
    const { head } = model;
    this.set("Store", head.stale ? `silent for ${lasting(model.now() - head.stale)}` : "answers", head.stale ? "alarm" : "");
    const [level, sentence] = verdict(model);
    byID("verdict").dataset.level = level;
    say(byID("verdict"), sentence);
  }

  set(name, text, mood = "") {
    const node = this.values.get(name);
    say(node, String(text));
    node.dataset.mood = mood;
  }
}

// phase says what the leader does, and in which part of the group's life where that is not the usual one.
function phase({ phase = "", lifecycle = "" }) {
  if (!phase) return "–";
  return lifecycle && lifecycle !== "stable" ? `${phase} (${lifecycle.replaceAll("_", " ")})` : phase;
}

// verdict is the sentence that matters most, worst first. It changes rarely, so that a screen reader may read it out.
function verdict({ head, workers, loaded, partitions }) {
  if (!loaded) return ["calm", "Reading the group …"];
  if (head.stale) return ["alarm", `The store has not answered since ${time(head.stale)}. What you see is what was known then.`];
  if (workers.size === 0) return ["busy", "No worker is here."];
  if (!head.leader) return ["alarm", "No worker leads. Nothing moves until one does."];
  if (!head.plan) return ["busy", `${head.leader} leads. There is no plan yet.`];
  if (head.unowned) return ["alarm", `${many(head.unowned, "partition has", "partitions have")} no owner.`];
  const stuck = [...workers.values()].filter((w) => w.facts.stuck?.length).length;
  if (stuck) return ["busy", `Every partition has an owner. ${many(stuck, "worker is", "workers are")} stuck.`];
  const all = head.plan.partitions ?? partitions.size;
  return ["calm", all === 1 ? "The partition has an owner." : `All ${count(all)} partitions have an owner.`];
}
