// The page: a model that the stream keeps up to date, and views that are drawn once a frame when it has changed.

import { Actions } from "./actions.js";
import { read as asked } from "./address.js";
import { Details } from "./details.js";
import { byID, say } from "./dom.js";
import { Health } from "./health.js";
import { Machine } from "./machine.js";
import { MapView } from "./mapview.js";
import { Model, noChanges } from "./model.js";
import { Notices } from "./notices.js";
import { Search } from "./search.js";
import { get, Stream } from "./stream.js";
import { startTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { startWhatIf, WhatIf } from "./whatif.js";
import { zone } from "./words.js";
import { Workers } from "./workers.js";

const model = new Model();
const actions = new Actions(model);
const whatIf = new WhatIf(model, (partitions) => map.select(partitions));
const details = new Details(model, actions, whatIf, (partitions) => map.select(partitions));
const open = (kind, id, from) => details.open(kind, id, from);
const map = new MapView(model, open);
const machine = new Machine((id) => open("worker", id));
const timeline = new Timeline(() => model.now());
const views = [new Health(), map, new Workers((id, from) => open("worker", id, from)), machine, new Notices(open), details];

let changes = noChanges();
let began = 0; // when the first message came that is not drawn yet

// update lets a message change the model, and has the next frame draw what changed.
function update(change) {
  const start = performance.now();
  const done = change();
  if (!began) {
    began = start;
    requestAnimationFrame(draw);
  }
  return done;
}

function draw() {
  const drawn = changes;
  changes = noChanges();
  for (const view of views) view.render(model, drawn);
  const root = document.documentElement;
  root.dataset.seq = model.head.seq;
  performance.measure("parti:update", { start: began, detail: { partitions: drawn.partitions, snapshot: drawn.all } });
  began = 0;
  if (root.dataset.drawn) return;
  root.dataset.drawn = "yes";
  performance.mark("parti:first-drawing");
}

async function readHistory() {
  const said = await get("history.json?limit=300").catch(() => ({}));
  tell(said.changes ?? []);
}

function tell(changes) {
  if (model.tell(changes)) update(() => true);
  timeline.add(changes);
}

// follow opens what the address asks for.
function follow() {
  const wanted = asked();
  if (wanted) open(wanted.kind, wanted.id);
  else if (details.shown) details.close();
}

const words = { connecting: "connecting", live: "live", repairing: "catching up", reconnecting: "reconnecting", off: "not observed" };

function connection(state, sentence) {
  const pill = byID("connection");
  pill.dataset.state = document.documentElement.dataset.connection = state;
  pill.title = sentence;
  say(pill, words[state]);
  if (sentence && !model.loaded) say(byID("verdict"), sentence);
}

const stream = new Stream({
  group(snapshot) {
    const first = !model.loaded;
    update(() => model.load(snapshot, changes));
    readHistory();
    if (first) follow();
  },
  delta: (delta) => update(() => model.apply(delta, changes)),
  change(list) {
    tell(list);
    details.changed(list);
  },
  state: connection,
});

async function drawMachine() {
  machine.draw(await get("fsm.json"));
  machine.render(model, noChanges());
}

startTheme(byID("theme"), () => map.recolour());
new Search(model, open);
startWhatIf(open);
stream.open();
actions.ask();
addEventListener("hashchange", follow);
say(byID("zone"), `Times are those of ${zone()}.`);
drawMachine().catch(() => { byID("machine").closest("section").hidden = true; });

// Once a second what the passing time alone changes is written anew: ages and colours. Nothing is asked for.
setInterval(() => {
  if (!model.loaded || document.hidden) return;
  for (const view of views) view.tick?.(model);
  timeline.tick();
}, 1_000);
