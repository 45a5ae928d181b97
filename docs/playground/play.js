// The playground: a loop that lets simulated time pass, and the views of the live page on what comes of it.

import { Details } from "./page/details.js";
import { byID, el, say } from "./page/dom.js";
import { Health } from "./page/health.js";
import { Machine } from "./page/machine.js";
import { MapView } from "./page/mapview.js";
import { Model, noChanges } from "./page/model.js";
import { Notices } from "./page/notices.js";
import { Search } from "./page/search.js";
import { startTheme } from "./page/theme.js";
import { Timeline } from "./page/timeline.js";
import { count } from "./page/words.js";
import { start } from "./engine.js";
import { Fleet, toggled } from "./fleet.js";
import { Log } from "./log.js";
import { Pace } from "./pace.js";
import { scenes } from "./scenes.js";

const budget = 8; // real milliseconds of simulation in a frame
const settled = 120_000; // simulated milliseconds after which a fleet is calm
const midnight = new Date().setHours(0, 0, 0, 0); // simulated time begins then, so that the times of the day are those since the start

const root = document.documentElement;
const history = []; // of the journal
let now = midnight; // simulated
let processes = []; // as they were told last
let mouse = "look"; // what a click on the map does

const model = new Model(() => now);
const actions = { buttons: buttonsFor };
const details = new Details(model, actions, null, (ids) => map.select(ids), answer);
const open = (kind, id, from) => details.open(kind, id, from);
const map = new MapView(model, (kind, id, from, worker) => (mouse === "look" ? open(kind, id, from) : hit(mouse, worker)));
const timeline = new Timeline(() => now);
const machine = new Machine((id) => (mouse === "look" ? open("worker", id) : hit(mouse, id)));
const views = [new Health(), map, machine, new Notices(open), details];
const fleet = new Fleet(act, (id, from) => open("worker", id, from));
const log = new Log();
const pace = new Pace((ms) => { advance(ms, 1_000); });

let parti = null; // the simulation

// What each frame took the page, in milliseconds: all of its work, and the simulation in it.
const frames = { work: [], simulation: [], simulated: 0 };
globalThis.playground = frames;

function advance(ms, budget) {
  const began = performance.now();
  const passed = parti.advance(ms, budget);
  now += passed;
  frames.simulated += passed;
  frames.simulation.push(performance.now() - began);
  return passed;
}

// look takes over what is new, and draws it.
function look() {
  const frame = JSON.parse(parti.look());
  now = frame.at;
  processes = frame.fleet;
  if (frame.group) model.load({ group: "Playground", seq: 0, at: now }, noChanges());
  if (frame.delta) {
    const changes = { ...noChanges(), all: frame.group };
    model.apply(frame.delta, changes);
    for (const view of views) view.render(model, changes);
  }
  if (frame.changes) tell(frame.changes);
  if (frame.news) log.add(frame.news);
  fleet.render(frame.fleet);
  truths(frame);
  map.tick();
}

function tell(changes) {
  history.push(...changes);
  history.splice(0, history.length - 5_000);
  model.tell(changes);
  timeline.add(changes);
  details.changed(changes);
}

// answer is what the live page asks its server for.
async function answer(url) {
  const [path, query] = url.split("?");
  const wanted = new URLSearchParams(query);
  if (path !== "history.json") throw new Error("The simulation does not say why.");
  const fits = (c) => (wanted.has("partition") ? c.partition === wanted.get("partition") : [c.from, c.to].includes(wanted.get("worker")));
  return { changes: history.filter(fits).slice(-Number(wanted.get("limit"))) };
}

const facts = new Map();
for (const name of ["Run at this moment", "Two owners at once", "Old writes refused", "The store"]) {
  const value = el("dd", {}, "–");
  facts.set(name, value);
  byID("truths").append(el("div", {}, el("dt", {}, name), value));
}

function truths({ running, partitions, refused, broken, down }) {
  const set = (name, text, mood) => {
    say(facts.get(name), text);
    facts.get(name).dataset.mood = mood ?? "";
  };
  set("Run at this moment", `${count(running)} of ${count(partitions)}`, running < partitions ? "busy" : "");
  set("Two owners at once", broken ? broken.at(-1) : "never", broken ? "alarm" : "");
  set("Old writes refused", count(refused));
  set("The store", down ? "stopped" : "runs", down ? "alarm" : "");
}

// act does something to a process, or to the fleet, and shows what comes of it.
function act(action, process = "") {
  const refused = parti.act(action, process);
  if (refused) story(refused, "alarm");
  look();
}

// hit does what the mouse is set to, to the process behind a worker.
function hit(action, worker) {
  const process = processes.findLast((p) => p.worker === worker && !p.dead);
  if (process) act(toggled(action, process), process.name);
  else story(worker ? `${worker} has no process any more.` : "Nobody is there.", "alarm");
}

const verbs = { kill: "Kill", freeze: "Freeze", thaw: "Thaw", cut: "Cut off", heal: "Heal", stop: "Stop", drain: "Drain", jam: "Jam its handlers", free: "Free its handlers" };

// buttonsFor are the buttons in the details of a worker.
function buttonsFor(worker) {
  const process = processes.findLast((p) => p.worker === worker && !p.dead);
  if (!process) return null;
  const names = process.frozen ? ["kill", "thaw", process.cut ? "heal" : "cut"] : ["kill", "freeze", process.cut ? "heal" : "cut", process.jammed ? "free" : "jam", "stop", "drain"];
  return el("div", { class: "actions" },
    ...names.map((name) => el("button", { type: "button", "data-key": name, onclick: () => act(name, process.name) }, verbs[name])));
}

function failed(sentence) {
  byID("verdict").dataset.level = "alarm";
  say(byID("verdict"), sentence);
}

function story(text, level = "") {
  say(byID("hint"), text);
  byID("hint").dataset.level = level;
}

function play(scene) {
  const refused = parti.scene(scene);
  story(refused || scenes[scene][1], refused ? "alarm" : "");
  for (const link of document.querySelectorAll("#scenes a")) link.setAttribute("aria-current", link.hash.endsWith(scene));
  globalThis.history.replaceState(null, "", `#${wanted().size},${scene}`);
  look();
}

// wanted reads the address: #20x200,crash is a fleet of 20 workers with 200 partitions, one of which crashes.
function wanted() {
  const parts = location.hash.slice(1).split(",");
  const size = parts.find((part) => /^\d+x\d+$/.test(part)) ?? "10x100";
  return { size, scene: parts.find((part) => Object.hasOwn(scenes, part)) ?? "", cold: parts.includes("start") };
}

function begin() {
  const { size, scene, cold } = wanted();
  const [workers, partitions] = size.split("x").map(Number);
  const refused = parti.begin(midnight, workers, partitions, 1);
  if (refused) return failed(refused);
  const options = [...byID("size").options];
  if (!options.some((option) => option.value === size)) byID("size").append(el("option", { value: size }, `${workers} workers × ${partitions}`));
  byID("size").value = size;
  story(cold ? "The workers start, claim IDs and elect a leader. It waits 30 s for others, then divides the partitions." :
    "A calm fleet. Click on a worker's lane to do something to it, or choose a scene.");
  if (!cold) advance(settled, 10_000);
  look();
  if (scene) play(scene);
  root.dataset.drawn = "yes";
  requestAnimationFrame(loop);
}

let last = 0;
let ticked = 0;
let reached = 0;

function loop(at) {
  try {
    frame(at);
    requestAnimationFrame(loop);
  } catch (error) {
    failed(`The simulation has stopped: ${error.message}. Load the page again.`);
    throw error;
  }
}

function frame(at) {
  const began = performance.now();
  const real = last ? Math.min(at - last, 250) : 0;
  last = at;
  if (!pace.paused && real > 0) {
    const passed = advance(real * pace.speed, budget);
    reached = 0.9 * reached + 0.1 * passed / real;
  }
  look();
  pace.show(now - midnight, pace.paused ? 0 : reached);
  if (at - ticked > 250) {
    ticked = at;
    for (const view of views) view.tick?.(model);
    timeline.tick();
  }
  frames.work.push(performance.now() - began);
  for (const list of [frames.work, frames.simulation]) list.splice(0, list.length - 600);
}

function controls() {
  byID("add").addEventListener("click", () => act("add"));
  addEventListener("hashchange", () => location.reload());
  const again = () => {
    globalThis.history.replaceState(null, "", `#${byID("size").value},start`);
    location.reload();
  };
  byID("again").addEventListener("click", again);
  byID("size").addEventListener("change", again);
  const mice = { look: ["Look", "l"], kill: ["Kill", "k"], freeze: ["Freeze", "f"], cut: ["Cut", "c"], stop: ["Stop", "s"] };
  const buttons = Object.entries(mice).map(([name, [text, key]]) =>
    el("button", { type: "button", "data-mouse": name, title: `Key ${key}`, "aria-pressed": name === mouse, onclick: () => aim(name) }, text));
  const aim = (name) => {
    mouse = name;
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.mouse === name);
    byID("map-view").classList.toggle("aiming", name !== "look");
  };
  byID("mice").append(...buttons);
  addEventListener("keydown", (e) => {
    const chosen = Object.keys(mice).find((name) => mice[name][1] === e.key);
    if (chosen && !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.closest?.("input, select, textarea")) aim(chosen);
  });
  byID("scenes").append(...Object.entries(scenes).map(([name, [text, title]]) =>
    el("li", {}, el("a", { href: `#${name}`, title, onclick: (e) => { e.preventDefault(); play(name); } }, text))));
}

startTheme(byID("theme"), () => map.recolour());
new Search(model, open);
controls();
try {
  const drawing = fetch("page/fsm.json").then((said) => said.json());
  parti = await start();
  machine.draw(await drawing);
  begin();
} catch (error) {
  failed(`The simulation did not start: ${error.message}`);
}
