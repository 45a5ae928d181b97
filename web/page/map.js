// Where each cell of the map lies, and how it is painted. A lane is a worker; a cell is a partition that it holds.

const freshness = [[10_000, "fresh1"], [30_000, "fresh2"], [60_000, "fresh3"]]; // up to which age, in which colour
const largest = 34; // pixels of a cell at most: more says nothing more
const margin = 5; // above the first lane, so that its name is not cut

// lanes returns the rows of the map: first what nobody holds, if there is any, then the workers.
export function lanes(model) {
  const rows = model.order().map((worker) => ({ worker, cells: model.held(worker) }));
  const orphans = [...model.orphans].map((partition) => ({ partition, worker: null }));
  model.ranks();
  orphans.sort((a, b) => a.partition.rank - b.partition.rank);
  return orphans.length > 0 ? [{ worker: null, cells: orphans }, ...rows] : rows;
}

// Layout says where the cells are for a size of the view, a zoom, and an order: packed, where the length of a lane is the
// load, or placed, where each partition has its own place from left to right.
export class Layout {
  constructor(rows, partitions, { width, height, gutter, zoom, packed }) {
    this.rows = rows;
    this.gutter = gutter;
    this.packed = packed;
    const across = Math.max(40, width - gutter - 8);
    const pitch = Math.min(largest + 4, Math.max(6, Math.floor(height / Math.max(1, rows.length))));
    this.gap = pitch >= 12 ? 3 : 1;
    if (packed) this.pack(across, pitch - this.gap, zoom);
    else this.place(across, pitch - this.gap, zoom, partitions);
    this.pitch = this.lane + this.gap;
    this.height = margin + this.pitch * rows.length + this.gap;
  }

  // pack finds the largest cell with which the fullest lane still fits. Cells fill a lane column by column. Where a lane is
  // one cell deep they may be wider than high, to use the room.
  pack(across, lane, zoom) {
    const most = this.rows.reduce((most, row) => Math.max(most, row.cells.length), 1);
    let cell = Math.min(lane, largest);
    while (cell > 1 && Math.ceil(most / Math.floor(lane / cell)) * cell > across) cell--;
    this.deep = Math.floor(lane / cell);
    const columns = Math.ceil(most / this.deep);
    const wide = this.deep > 1 ? cell : Math.max(cell, Math.min(Math.floor(across / columns), Math.round(cell * 1.6), largest));
    this.tall = Math.max(1, Math.round(cell * zoom));
    this.cell = Math.max(1, Math.round(wide * zoom));
    this.lane = this.deep * this.tall;
    this.width = this.gutter + 8 + Math.max(zoom === 1 ? across : 0, columns * this.cell);
  }

  place(across, lane, zoom, partitions) {
    this.deep = 1;
    this.cell = across * zoom / Math.max(1, partitions);
    this.tall = this.lane = lane;
    this.width = this.gutter + 8 + Math.ceil(across * zoom);
  }

  top(row) {
    return margin + row * this.pitch;
  }

  // box is where a cell is, in pixels of the whole map.
  box(row, index) {
    const y = this.top(row);
    if (!this.packed) {
      const x = this.gutter + Math.floor(this.rows[row].cells[index].partition.rank * this.cell);
      return { x, y, width: Math.max(2, Math.floor(this.cell)), height: this.lane };
    }
    const x = this.gutter + Math.floor(index / this.deep) * this.cell;
    return { x, y: y + (index % this.deep) * this.tall, width: this.cell, height: this.tall };
  }

  rowAt(y) {
    const row = Math.floor((y - margin) / this.pitch);
    return row >= 0 && row < this.rows.length ? row : -1;
  }

  // at returns the row under a point and the index of the cell there, each -1 where there is none.
  at(x, y) {
    const row = this.rowAt(y);
    if (row < 0 || x < this.gutter) return { row, index: -1 };
    const { cells } = this.rows[row];
    const across = (x - this.gutter) / this.cell;
    if (!this.packed) return { row, index: nearest(cells, across, Math.max(1, 2 / this.cell)) };
    const down = Math.floor((y - this.top(row)) / this.tall);
    const index = Math.floor(across) * this.deep + down;
    return { row, index: down < this.deep && index < cells.length ? index : -1 };
  }

  // share is how far a lane reaches at its fair share.
  share(cells) {
    return this.gutter + Math.round(cells / this.deep * this.cell);
  }
}

// nearest finds the cell whose rank is next to a place, no further away than the reader can aim.
function nearest(cells, place, reach) {
  let low = 0;
  let high = cells.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cells[middle].partition.rank + 1 <= place) low = middle + 1;
    else high = middle;
  }
  const distance = (i) => (cells[i] ? Math.abs(cells[i].partition.rank + 0.5 - place) : Infinity);
  const best = distance(low) <= distance(low - 1) ? low : low - 1;
  return distance(best) <= reach ? best : -1;
}

// Painter paints lanes on a canvas that shows a part of the map.
export class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.agesAt = Infinity; // when a cell that was painted gets another colour
  }

  // resize fits the canvas to what is seen of the map, in the pixels of the screen.
  resize(width, height) {
    const dense = Math.min(devicePixelRatio || 1, 2);
    this.width = width;
    this.height = height;
    this.canvas.width = Math.round(width * dense);
    this.canvas.height = Math.round(height * dense);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.context.setTransform(dense, 0, 0, dense, 0, 0);
  }

  // recolour reads the colours from the style sheet, where they are said once for light and dark.
  recolour(probe) {
    const names = ["panel", "lane", "owned", "fresh1", "fresh2", "fresh3", "lost", "orphan", "releasing", "ink", "muted", "fair", "ring", "on-cell"];
    this.colours = {};
    for (const name of names) {
      probe.style.color = `var(--${name})`;
      this.colours[name] = getComputedStyle(probe).color;
    }
    probe.style.color = "";
    this.font = getComputedStyle(probe).fontFamily;
    this.hatch = hatched(this.context, this.colours.lane, this.colours.releasing);
  }

  // paint draws all lanes that are seen, or only those of some workers.
  paint(scene, only) {
    const { layout, top, left, now } = scene;
    if (!only) this.agesAt = Infinity;
    const { context } = this;
    const first = Math.max(0, Math.floor((top - margin) / layout.pitch));
    const last = Math.min(layout.rows.length - 1, Math.floor((top + this.height - margin) / layout.pitch));
    if (!only) {
      context.fillStyle = this.colours.panel;
      // A little further than the canvas reaches: on some screens its last column is a part of a pixel.
      context.fillRect(0, 0, this.width + 1, this.height + 1);
    }
    for (let row = first; row <= last; row++) {
      if (only && !only.has(layout.rows[row].worker?.id)) continue;
      this.lane(scene, row, now);
    }
    this.labels(scene, first, last);
    for (const { row, index } of scene.marked) this.ring(layout.box(row, index), left, top);
  }

  lane(scene, row, now) {
    const { layout, top, left } = scene;
    const { context, colours } = this;
    const y = layout.top(row) - top;
    context.fillStyle = colours.panel;
    context.fillRect(0, y - 1, this.width + 1, layout.lane + 2);
    context.fillStyle = colours.lane;
    context.fillRect(layout.gutter - left, y, layout.width - layout.gutter - 8, layout.lane);
    this.cells(scene, row, now);
    const { worker } = layout.rows[row];
    const fair = layout.packed && worker ? scene.fair(worker) : 0;
    if (fair > 0) {
      context.fillStyle = colours.fair;
      context.fillRect(layout.share(fair) - left - 1, y - 1, 2, layout.lane + 2);
    }
  }

  cells({ layout, top, left }, row, now) {
    const { context } = this;
    const { cells } = layout.rows[row];
    const space = layout.cell >= 3 ? 1 : 0;
    let style = null;
    for (let i = 0; i < cells.length; i++) {
      const box = layout.box(row, i);
      const x = box.x - left;
      if (x + box.width < layout.gutter || x > this.width) continue;
      const next = this.style(cells[i], now);
      if (next !== style) context.fillStyle = style = next;
      context.fillRect(x, box.y - top, Math.max(1, box.width - space), Math.max(1, box.height - (layout.deep > 1 ? space : 0)));
      if (layout.cell < 24 || layout.tall < 12) continue;
      this.name(cells[i].partition.id, x, box.y - top, layout);
      style = null; // a name has a colour of its own
    }
  }

  // style is the colour of a cell, and remembers when it has to be another one.
  style(holding, now) {
    const { colours } = this;
    if (!holding.worker) return colours.orphan;
    if (!holding.worker.facts.live || holding.idle) return colours.lost;
    if (holding.releasing) return this.hatch;
    const age = now - holding.moved;
    if (!holding.moved || age >= freshness.at(-1)[0]) return colours.owned;
    const [until, name] = freshness.find(([until]) => age < until);
    this.agesAt = Math.min(this.agesAt, holding.moved + until);
    return colours[name];
  }

  // name writes the last part of a partition's ID where a cell has room for it.
  name(id, x, y, layout) {
    const text = id.slice(id.lastIndexOf(".") + 1);
    const size = Math.min(11, layout.tall / 1.8, 1.55 * (layout.cell - 6) / text.length);
    if (size < 6) return;
    this.context.font = `${size}px ${this.font}`;
    this.context.fillStyle = this.colours["on-cell"];
    this.context.textAlign = "center";
    this.context.textBaseline = "middle";
    this.context.fillText(text, x + (layout.cell - 1) / 2, y + layout.tall / 2);
  }

  // labels writes the workers' IDs, as many as there is room for.
  labels({ layout, top }, first, last) {
    const { context, colours } = this;
    const each = Math.ceil(12 / layout.pitch);
    context.fillStyle = colours.panel;
    context.fillRect(0, 0, layout.gutter - 4, this.height + 1);
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (let row = first; row <= last; row++) {
      const { worker } = layout.rows[row];
      if (row % each !== 0 && worker) continue;
      context.font = `${worker?.facts.leader ? "600 " : ""}11px ${this.font}`;
      context.fillStyle = !worker ? colours.orphan : worker.facts.live ? colours.ink : colours.muted;
      context.fillText(worker?.id ?? "no owner", layout.gutter - 10, layout.top(row) - top + layout.lane / 2, layout.gutter - 14);
    }
  }

  ring({ x, y, width, height }, left, top) {
    this.context.strokeStyle = this.colours.ring;
    this.context.lineWidth = 2;
    this.context.strokeRect(x - left - 2, y - top - 2, Math.max(4, width + 3), height + 3);
  }
}

// hatched makes the pattern of what is handed over: seen without colours as well.
function hatched(context, ground, line) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6; // small enough for two lines on the smallest cells that are told apart
  const on = tile.getContext("2d");
  on.fillStyle = ground;
  on.fillRect(0, 0, 6, 6);
  on.strokeStyle = line;
  on.lineWidth = 2;
  on.beginPath();
  for (const shift of [-6, 0, 6]) {
    on.moveTo(shift - 1, 7);
    on.lineTo(shift + 7, -1);
  }
  on.stroke();
  return context.createPattern(tile, "repeat");
}
