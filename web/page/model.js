// The group as the page knows it: a snapshot, and the deltas on top of it. Nothing here touches the document.

import { natural } from "./words.js";

// A holding is what one worker has: {partition, worker, epoch, since, moved, releasing, asked, idle}. `moved` is when it was
// granted, or else when this page saw that. `asked` is when this page saw that the worker was asked to let go. `idle` says that
// the worker does not run it, where somebody knows that: only in a simulation. A partition can have several holdings at once: at
// a worker that lets go or is gone, and at the one that came after.

// noChanges is what has happened since the last drawing.
export const noChanges = () => ({
  workers: new Set(), // IDs of workers that are new, gone or other than before, in what they are or what they hold
  moves: [], // {worker, from, to}: states
  partitions: 0,
  all: false, // a snapshot took the place of everything
});

export class Model {
  // The clock is that of the page, in milliseconds since 1970.
  constructor(clock = Date.now) {
    this.clock = clock;
    this.clear();
    this.head = { seq: 0, at: 0, leader: "", stale: 0, unowned: 0, plan: null, group: "" };
    this.ahead = 0; // how far the server's clock is ahead of this one
    this.loaded = false;
  }

  clear() {
    this.workers = new Map(); // by ID: {id, key, facts, holdings: Map by partition ID}
    this.partitions = new Map(); // by ID: {id, key, holdings: []}
    this.orphans = new Set(); // partitions that were held and are not
    this.ranked = null; // see ranks
    this.rows = null; // see order
    this.capacity = null; // see fairShare
  }

  // now is the server's time: what the page shows as recent must not depend on the reader's clock.
  now() {
    return this.clock() + this.ahead;
  }

  load(snapshot, changes) {
    const before = new Map([...this.workers.values()].map((w) => [w.id, w.facts.state]));
    this.clear();
    this.setHead(snapshot, snapshot.plan ?? null);
    this.head.group = snapshot.group ?? "";
    for (const { partitions, ...facts } of snapshot.workers ?? []) {
      this.setWorker(facts, noChanges());
      for (const [id, epoch, since, releasing, idle] of partitions ?? []) this.hold(id, facts.id, epoch, since, releasing, idle);
      const from = before.get(facts.id);
      if (from && from !== facts.state) changes.moves.push({ worker: facts.id, from, to: facts.state });
    }
    this.loaded = true;
    changes.all = true;
    changes.partitions += this.partitions.size;
  }

  // apply adds a delta, and returns false where one before it is missing: then the model is what it was.
  apply(delta, changes) {
    if (!this.loaded || delta.seq <= this.head.seq) return this.loaded;
    if (delta.seq !== this.head.seq + 1) return false;
    this.setHead(delta, delta.plan ?? this.head.plan);
    for (const facts of delta.workers ?? []) this.setWorker(facts, changes);
    for (const [id, worker] of delta.unset ?? []) this.letGo(id, worker, changes);
    for (const [id, worker, epoch, since, releasing, idle] of delta.set ?? []) {
      this.hold(id, worker, epoch, since, releasing, idle, this.now());
      changes.workers.add(worker);
    }
    for (const id of delta.gone ?? []) this.removeWorker(id, changes);
    changes.partitions += (delta.set?.length ?? 0) + (delta.unset?.length ?? 0);
    this.forgetUnlisted();
    return true;
  }

  setHead(message, plan) {
    const { seq, at, leader, stale, unowned } = message;
    this.head = { ...this.head, seq, at, leader: leader ?? "", stale: stale ?? 0, unowned: unowned ?? 0, plan };
    if (at) this.ahead = at - this.clock();
  }

  setWorker(facts, changes) {
    const known = this.workers.get(facts.id);
    changes.workers.add(facts.id);
    this.capacity = null;
    if (!known) {
      this.workers.set(facts.id, { id: facts.id, key: natural(facts.id), facts, holdings: new Map(), sorted: null });
      this.rows = null;
      return;
    }
    if (known.facts.state !== facts.state) changes.moves.push({ worker: facts.id, from: known.facts.state, to: facts.state });
    known.facts = facts;
  }

  removeWorker(id, changes) {
    const worker = this.workers.get(id);
    if (!worker) return;
    for (const partition of [...worker.holdings.keys()]) this.letGo(partition, id, changes);
    this.workers.delete(id);
    this.rows = this.capacity = null;
    changes.workers.add(id);
  }

  hold(id, workerID, epoch, since, releasing, idle, seen = 0) {
    const worker = this.workers.get(workerID);
    if (!worker) return; // a worker that nobody has told of: the next snapshot does
    const partition = this.partition(id);
    const known = worker.holdings.get(id);
    const asked = releasing ? (known?.asked || this.now()) : 0;
    const moved = since || (known?.epoch === epoch ? known.moved : seen);
    const facts = { epoch, since, moved, releasing: !!releasing, asked, idle: !!idle };
    if (known) return void Object.assign(known, facts);
    const holding = { partition, worker, ...facts };
    worker.holdings.set(id, holding);
    worker.sorted = null;
    partition.holdings.push(holding);
    this.orphans.delete(partition);
  }

  letGo(id, workerID, changes) {
    const worker = this.workers.get(workerID);
    const holding = worker?.holdings.get(id);
    if (!holding) return;
    worker.holdings.delete(id);
    worker.sorted = null;
    changes.workers.add(workerID);
    const { partition } = holding;
    partition.holdings = partition.holdings.filter((other) => other !== holding);
    if (partition.holdings.length === 0) this.orphans.add(partition);
  }

  partition(id) {
    let partition = this.partitions.get(id);
    if (!partition) {
      partition = { id, key: natural(id), holdings: [], rank: 0 };
      this.partitions.set(id, partition);
      this.ranked = null;
    }
    return partition;
  }

  // forgetUnlisted drops what nobody holds once the server says that nothing lacks an owner: the source lists it no more.
  forgetUnlisted() {
    if (this.head.unowned > 0 || this.orphans.size === 0) return;
    for (const partition of this.orphans) this.partitions.delete(partition.id);
    this.orphans.clear();
    this.ranked = null;
  }

  // owner is the holding that counts: the newest one of a living worker.
  owner(partition) {
    let best = null;
    for (const holding of partition.holdings) {
      if (holding.worker.facts.live && (!best || holding.epoch > best.epoch)) best = holding;
    }
    return best;
  }

  // order returns the workers in their natural order.
  order() {
    this.rows ??= [...this.workers.values()].sort(byKey);
    return this.rows;
  }

  // ranks gives each partition its place among all, and returns them in that order.
  ranks() {
    if (!this.ranked) {
      this.ranked = [...this.partitions.values()].sort(byKey);
      this.ranked.forEach((partition, i) => { partition.rank = i; });
    }
    return this.ranked;
  }

  // held returns what a worker holds, in the order of ranks.
  held(worker) {
    this.ranks();
    worker.sorted ??= [...worker.holdings.values()].sort((a, b) => a.partition.rank - b.partition.rank);
    return worker.sorted;
  }

  // tell takes from the journal since when workers have been asked to let go: the page may not have been there. It returns
  // whether that is news.
  tell(changes) {
    let news = false;
    for (const { at, partition, from, to } of changes) {
      const holding = to ? null : this.workers.get(from)?.holdings.get(partition);
      if (!holding?.releasing || at >= holding.asked) continue;
      holding.asked = at;
      news = true;
    }
    return news;
  }

  // fairShare is what a worker would hold if everything were divided by capacity among those that may be given something.
  fairShare(worker) {
    if (!takes(worker)) return 0;
    this.capacity ??= this.order().filter(takes).reduce((sum, w) => sum + capacity(w), 0);
    return (this.head.plan?.partitions ?? this.partitions.size) * capacity(worker) / this.capacity;
  }

  // releasing returns the handoffs under way, those that have waited longest first.
  releasing() {
    const found = [];
    for (const worker of this.workers.values()) {
      for (const holding of worker.holdings.values()) if (holding.releasing) found.push(holding);
    }
    return found.sort((a, b) => a.asked - b.asked);
  }
}

const takes = (worker) => worker.facts.live && !worker.facts.leaving;

const capacity = (worker) => worker.facts.capacity || 1;

const byKey = (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
