// The state machine, drawn from the table that the workers run, with a dot for each worker in the state it is in.

import { byID, calm, say, svg } from "./dom.js";
import { count } from "./words.js";

const room = { width: 960, height: 590 };
const box = { height: 92, head: 34, side: 12 };
const widest = 205;

export class Machine {
  constructor(open) {
    this.open = open;
    this.drawing = byID("machine");
    this.states = new Map(); // by name: {name, x, y, width}
    this.edges = new Map(); // by "from>to"
    this.dots = new Map(); // by worker ID
  }

  // draw makes the picture. What is drawn first lies below: edges, boxes, dots.
  draw({ states, transitions }) {
    this.drawing.setAttribute("viewBox", `-6 -6 ${room.width + 12} ${room.height + 12}`);
    for (const s of spread(states)) this.states.set(s.name, s);
    this.layer = svg("g", { class: "dots" });
    this.drawing.replaceChildren(arrowHead(), ...this.drawEdges(transitions), ...[...this.states.values()].map(drawState), this.layer);
  }

  drawEdges(transitions) {
    for (const { from, to, event } of transitions) {
      const key = `${from}>${to}`;
      const known = this.edges.get(key);
      if (known) known.events.push(event);
      else this.edges.set(key, { from: this.states.get(from), to: this.states.get(to), events: [event] });
    }
    const shown = [...this.edges.values()].filter((e) => e.from && e.to);
    for (const edge of shown) drawEdge(edge, fansIn(shown, edge.to), [...this.states.values()]);
    return shown.map((edge) => edge.node);
  }

  render(model, changes) {
    if (!this.layer) return;
    const places = new Map([...this.states.keys()].map((name) => [name, []]));
    for (const worker of model.order()) if (worker.facts.live) places.get(worker.facts.state)?.push(worker);
    const here = new Set();
    for (const [name, workers] of places) this.fill(this.states.get(name), workers, here);
    for (const [id, dot] of this.dots) if (!here.has(id)) this.dismiss(id, dot);
    for (const edge of new Set(changes.moves.map(({ from, to }) => `${from}>${to}`))) this.fire(edge);
    say(byID("machine-text"), summary(places));
  }

  // fill puts the dots of a state into its box, in a grid that is as coarse as their number allows.
  fill(state, workers, here) {
    const width = state.width - 2 * box.side;
    const height = box.height - box.head - box.side;
    let step = 20;
    while (step > 2 && Math.floor(width / step) * Math.floor(height / step) < workers.length) step--;
    const columns = Math.max(1, Math.floor(width / step));
    workers.forEach((worker, i) => {
      const dot = this.dot(worker);
      const x = state.x - width / 2 + (i % columns + 0.5) * step;
      const y = state.y - box.height / 2 + box.head + (Math.floor(i / columns) + 0.5) * step;
      dot.style.transform = `translate(${x}px, ${y}px)`;
      dot.setAttribute("r", step * 0.38);
      dot.dataset.state = state.name;
      dot.classList.toggle("leads", !!worker.facts.leader);
      here.add(worker.id);
    });
  }

  dot(worker) {
    let dot = this.dots.get(worker.id);
    if (!dot) {
      dot = svg("circle", { class: "worker", onclick: () => this.open(worker.id) }, svg("title", {}, worker.id));
      this.dots.set(worker.id, dot);
      this.layer.append(dot);
    }
    return dot;
  }

  // dismiss lets the dot of a worker that is gone fade away.
  dismiss(id, dot) {
    this.dots.delete(id);
    if (calm()) return dot.remove();
    dot.classList.add("going");
    setTimeout(() => dot.remove(), 900);
  }

  // fire lights the edge that workers went along. What went on between two updates may have no edge of its own.
  fire(edge) {
    const node = this.edges.get(edge)?.node;
    if (!node) return;
    node.classList.remove("fired");
    node.getBoundingClientRect(); // makes the browser see the class go, so that the animation begins again
    node.classList.add("fired");
  }
}

const summary = (places) =>
  [...places].filter(([, workers]) => workers.length > 0).map(([name, workers]) => `${count(workers.length)} ${name}`).join(", ");

function drawState({ name, x, y, width }) {
  return svg("g", { class: "state", "data-state": name },
    svg("rect", { x: x - width / 2, y: y - box.height / 2, width, height: box.height, rx: 14 }),
    svg("text", { x, y: y - box.height / 2 + 24 }, name));
}

const fansIn = (edges, to) => edges.filter((e) => e.to === to).length > 4;

// spread moves the states apart until they fill the picture, and gives each a box that its name fits into.
function spread(states) {
  const range = (values, from, to) => {
    const low = Math.min(...values);
    const size = Math.max(...values) - low || 1;
    return (value) => from + (value - low) / size * (to - from);
  };
  const x = range(states.map((s) => s.x), widest / 2 - 25, room.width - widest / 2 + 25);
  const y = range(states.map((s) => s.y), box.height / 2, room.height - box.height / 2);
  return states.map((s) => ({ name: s.name, x: x(s.x), y: y(s.y), width: Math.min(widest, Math.max(144, 11.4 * s.name.length + 16)) }));
}

// drawEdge bends an edge to one side, so that the way back has a line of its own. Edges that lead from almost everywhere to
// one state are drawn faintly: they would hide the others.
function drawEdge(edge, faint, states) {
  const { from, to, events } = edge;
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const bend = faint ? 0.07 : Math.max(0.13, detour(from, to, states));
  const middle = { x: (from.x + to.x) / 2 - dy * bend, y: (from.y + to.y) / 2 + dx * bend };
  const start = border(from, middle, 0);
  const end = border(to, middle, 8);
  const label = { x: (start.x + 2 * middle.x + end.x) / 4, y: (start.y + 2 * middle.y + end.y) / 4 };
  edge.node = svg("g", { class: faint ? "edge faint" : "edge" },
    svg("path", { d: `M${start.x} ${start.y}Q${middle.x} ${middle.y} ${end.x} ${end.y}`, "marker-end": "url(#arrow)" }),
    svg("text", label, events.join(", ")));
}

// detour is how far an edge has to bend so that it does not run through a state between its ends.
function detour(from, to, states) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const across = { x: -(to.y - from.y) / length, y: (to.x - from.x) / length };
  const inTheWay = states.filter((s) => s !== from && s !== to).filter((s) => {
    const along = ((s.x - from.x) * (to.x - from.x) + (s.y - from.y) * (to.y - from.y)) / length ** 2;
    const aside = Math.abs((s.x - from.x) * across.x + (s.y - from.y) * across.y);
    return along > 0.2 && along < 0.8 && aside < 30;
  });
  // A curve reaches half as far as the point that bends it.
  return Math.max(0, ...inTheWay.map((s) => 2 * (Math.abs(across.x) * s.width / 2 + Math.abs(across.y) * box.height / 2 + 22) / length));
}

// border is where the line from the middle of a state to a point leaves its box, and a little further.
function border({ x, y, width }, towards, further) {
  const dx = towards.x - x;
  const dy = towards.y - y;
  const scale = Math.min((width / 2 + further) / Math.abs(dx || 1e-9), (box.height / 2 + further) / Math.abs(dy || 1e-9));
  return { x: x + dx * scale, y: y + dy * scale };
}

function arrowHead() {
  const tip = svg("path", { d: "M0 0L9 4.5L0 9z" });
  return svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 9 9", refX: 7, refY: 4.5, markerWidth: 7, markerHeight: 7, orient: "auto" }, tip));
}
