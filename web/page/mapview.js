// The map on the page: it scrolls, zooms, tells what is under the pointer, and can be walked with the keyboard.

import { byID, el, say } from "./dom.js";
import { lanes, Layout, Painter } from "./map.js";
import { count, many, since } from "./words.js";

const mostZoom = 32;

export class MapView {
  // open is called with a kind, "partition" or "worker", and an ID; then, after the element that gets the focus back, with the
  // worker in whose lane that is.
  constructor(model, open) {
    this.model = model;
    this.open = open;
    this.view = byID("map-view");
    this.space = byID("map-space");
    this.tip = byID("tip");
    this.painter = new Painter(byID("map-canvas"));
    this.zoom = 1;
    this.packed = true;
    this.selected = new Set(); // IDs of the partitions that are looked at
    this.cursor = null; // {row, index} of the keyboard
    this.recolour();
    this.listen();
  }

  recolour() {
    this.painter.recolour(byID("map-hint"));
    if (this.layout) this.paint();
  }

  render(model, changes) {
    const order = model.order();
    const sameLanes = this.layout && !changes.all && order === this.order && model.orphans.size === 0 && !this.hadOrphans;
    this.order = order;
    this.hadOrphans = model.orphans.size > 0;
    if (sameLanes && this.stillFits(changes)) this.paint(changes.workers);
    else this.arrange();
    say(byID("map-hint"), `${many(model.workers.size, "worker")} × ${many(model.partitions.size, "partition")}`);
  }

  // stillFits takes over what changed in some lanes, and says whether all of it has room where the lanes are.
  stillFits(changes) {
    const { layout, model } = this;
    if (!layout.packed && model.ranked !== this.ranked) return false;
    const room = Math.floor((layout.width - layout.gutter - 8) / layout.cell) * layout.deep;
    for (const row of layout.rows) {
      if (changes.workers.has(row.worker.id)) row.cells = model.held(row.worker);
      if (layout.packed && row.cells.length > room) return false;
    }
    return true;
  }

  // arrange lays everything out anew.
  arrange() {
    const { view } = this;
    if (view.clientWidth === 0) return;
    const rows = lanes(this.model);
    this.ranked = this.model.ranks();
    const fit = this.fitting(rows, 1);
    this.layout = this.zoom === 1 ? fit : this.fitting(rows, this.zoom);
    // As high as what there is to see, so that small groups leave no hole, and never higher than the style sheet allows.
    view.style.height = `${fit.height + 2}px`;
    this.space.style.width = `${Math.max(this.layout.width, 1)}px`;
    this.space.style.height = `${this.layout.height}px`;
    this.painter.resize(view.clientWidth, view.clientHeight);
    this.paint();
  }

  fitting(rows, zoom) {
    const narrow = this.view.clientWidth < 500;
    const height = parseFloat(getComputedStyle(this.view).maxHeight) || 560;
    const size = { width: this.view.clientWidth, height: height - 4, gutter: narrow ? 66 : 92, zoom, packed: this.packed };
    return new Layout(rows, this.model.partitions.size, size);
  }

  paint(only) {
    const { layout, view, model } = this;
    const marked = this.marks();
    // A ring reaches into the lanes beside its own.
    const all = !only || marked.length > 0 || this.hadRing;
    this.hadRing = marked.length > 0;
    const scene = { layout, top: view.scrollTop, left: view.scrollLeft, now: model.now(), marked, fair: (w) => model.fairShare(w) };
    this.painter.paint(scene, all ? null : only);
  }

  marks() {
    const marked = this.cursor && document.activeElement === this.view ? [this.cursor] : [];
    if (this.selected.size > 0) {
      this.layout.rows.forEach(({ cells }, row) => cells.forEach((cell, index) => {
        if (this.selected.has(cell.partition.id)) marked.push({ row, index });
      }));
    }
    return marked.filter((at) => this.cell(at));
  }

  cell({ row, index }) {
    return this.layout?.rows[row]?.cells[index];
  }

  // select puts rings around partitions, and brings a single one into view; null takes the rings away.
  select(ids) {
    this.selected = new Set(ids);
    if (!this.layout) return;
    const [at] = this.marks().slice(-1);
    if (this.selected.size === 1 && at) this.reveal(at);
    this.paint();
  }

  reveal({ row, index }) {
    const { x, y, width, height } = this.layout.box(row, index);
    const { view, layout } = this;
    const left = x - layout.gutter;
    if (left < view.scrollLeft || x + width > view.scrollLeft + view.clientWidth) view.scrollLeft = left - (view.clientWidth - layout.gutter) / 2;
    if (y < view.scrollTop || y + height > view.scrollTop + view.clientHeight) view.scrollTop = y - view.clientHeight / 2;
  }

  // tick paints again when something is no longer as fresh as it was painted.
  tick() {
    if (this.layout && this.model.now() >= this.painter.agesAt) this.paint();
  }

  zoomTo(zoom, x = this.view.clientWidth / 2, y = this.view.clientHeight / 2) {
    const { view, layout: before } = this;
    const next = Math.min(mostZoom, Math.max(1, zoom));
    if (!before || next === this.zoom) return;
    const across = (view.scrollLeft + x - before.gutter) / (before.width - before.gutter);
    const down = (view.scrollTop + y) / before.height;
    this.zoom = next;
    this.arrange();
    view.scrollLeft = across * (this.layout.width - this.layout.gutter) + this.layout.gutter - x;
    view.scrollTop = down * this.layout.height - y;
    this.paint();
  }

  listen() {
    const { view } = this;
    new ResizeObserver(() => { if (this.model.loaded) this.arrange(); }).observe(view.parentElement);
    view.addEventListener("scroll", () => { if (this.layout) this.paint(); }, { passive: true });
    view.addEventListener("pointermove", (e) => this.point(e));
    view.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    view.addEventListener("click", (e) => this.click(e));
    view.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    view.addEventListener("keydown", (e) => this.key(e));
    for (const event of ["focus", "blur"]) view.addEventListener(event, () => { if (this.layout) this.paint(); });
    byID("map-in").addEventListener("click", () => this.zoomTo(this.zoom * 2));
    byID("map-out").addEventListener("click", () => this.zoomTo(this.zoom / 2));
    byID("map-fit").addEventListener("click", () => this.zoomTo(1));
    byID("map-packed").addEventListener("click", () => this.arrangeBy(true));
    byID("map-placed").addEventListener("click", () => this.arrangeBy(false));
  }

  arrangeBy(packed) {
    this.packed = packed;
    this.zoom = 1;
    byID("map-packed").setAttribute("aria-pressed", packed);
    byID("map-placed").setAttribute("aria-pressed", !packed);
    this.arrange();
  }

  // under returns what is under the pointer.
  under(e) {
    const frame = this.view.getBoundingClientRect();
    const x = e.clientX - frame.left - this.view.clientLeft;
    const y = e.clientY - frame.top - this.view.clientTop;
    if (!this.layout || x > this.view.clientWidth || y > this.view.clientHeight) return { row: -1, index: -1 };
    // The names of the workers stay where they are when the map is scrolled.
    return this.layout.at(x < this.layout.gutter ? x : x + this.view.scrollLeft, y + this.view.scrollTop);
  }

  point(e) {
    const at = this.under(e);
    const said = this.describe(at);
    this.tip.hidden = said.length === 0;
    this.view.classList.toggle("pointing", said.length > 0);
    if (said.length === 0) return;
    this.tip.replaceChildren(el("b", {}, said[0]), ...said.slice(1).map((line) => el("span", {}, line)));
    const frame = this.view.parentElement.getBoundingClientRect();
    const x = Math.min(e.clientX - frame.left + 14, frame.width - this.tip.offsetWidth - 8);
    this.tip.style.transform = `translate(${Math.max(4, x)}px, ${e.clientY - frame.top + 16}px)`;
  }

  // describe says what a place shows, a line each.
  describe({ row, index }) {
    const lane = this.layout?.rows[row];
    if (!lane) return [];
    const { worker, cells } = lane;
    if (index < 0) return worker ? [worker.id, worker.facts.live ? worker.facts.state : "gone", many(cells.length, "partition")] : [];
    const cell = cells[index];
    if (!worker) return [cell.partition.id, "no owner"];
    const lines = [cell.partition.id, worker.facts.live ? worker.id : `${worker.id}, which is gone`, `epoch ${cell.epoch}`];
    if (cell.since) lines.push(`since ${since(cell.since, this.model.now())}`);
    if (cell.releasing) lines.push("asked to let go");
    if (cell.idle) lines.push("nobody runs it");
    return lines;
  }

  click(e) {
    const at = this.under(e);
    const cell = this.cell(at);
    const worker = this.layout?.rows[at.row]?.worker?.id;
    if (cell) this.open("partition", cell.partition.id, undefined, worker);
    else if (worker) this.open("worker", worker, undefined, worker);
  }

  wheel(e) {
    if (!e.ctrlKey && !e.metaKey) return; // plain wheels scroll the page
    e.preventDefault();
    const frame = this.view.getBoundingClientRect();
    this.zoomTo(this.zoom * 2 ** (-e.deltaY / 200), e.clientX - frame.left, e.clientY - frame.top);
  }

  key(e) {
    const zooms = { "+": this.zoom * 2, "=": this.zoom * 2, "-": this.zoom / 2, 0: 1 };
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key in zooms) this.zoomTo(zooms[e.key]);
    else if (e.key in steps) this.step(...steps[e.key]);
    else if (e.key === "Enter") this.enter();
    else return;
    e.preventDefault();
  }

  step(down, across) {
    if (!this.layout?.rows.length) return;
    const at = this.cursor ?? { row: 0, index: -across };
    const row = Math.min(this.layout.rows.length - 1, Math.max(0, at.row + down));
    const { cells } = this.layout.rows[row];
    this.cursor = { row, index: Math.min(cells.length - 1, Math.max(0, at.index + across)) };
    if (cells.length > 0) this.reveal(this.cursor);
    this.paint();
    say(byID("map-cell"), this.describe(this.cursor).join(", "));
  }

  enter() {
    const cell = this.cursor && this.cell(this.cursor);
    if (cell) this.open("partition", cell.partition.id, undefined, cell.worker?.id);
  }
}
