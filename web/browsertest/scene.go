// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"fmt"
	"time"
)

// At dates what follows in a draft back.
func (d *Draft) At(ago time.Duration) { d.now = time.Now().Add(-ago).UnixMilli() }

// Scene returns a group on an eventful day, for pictures: one worker has crashed and its partitions have other owners, one is
// drained, one has just come, and one is stuck.
func Scene() *Fake {
	f := NewFake(24, 960)
	f.earlier()
	f.Change(func(d *Draft) { d.crash(Worker(9), 22*time.Second) })
	f.Change(func(d *Draft) { d.drain(Worker(17)) })
	f.Change(func(d *Draft) {
		d.At(0)
		d.Worker(Worker(24), func(w *Facts) {
			w.Host, w.Process, w.Session, w.State, w.Live = "node-06", 4024, 61, "WaitingAssignment", true
		})
		d.Worker(Worker(5), func(w *Facts) {
			w.Stuck = []string{"the handler of orders.173 has not returned for 41 s after it was asked to let go"}
		})
		d.Worker(Worker(12), func(w *Facts) { w.Cordoned = true })
		for _, id := range []string{Worker(2), Worker(14)} {
			d.Worker(id, func(w *Facts) { w.State = "Stable" })
		}
		d.At(41 * time.Second)
		d.Revoke("orders.173", Worker(5))
		d.Journal("orders.173", Worker(5), "", "the weights of 9 partitions changed")
	})
	return f
}

// earlier writes the journal of the hours before: two rolling restarts that moved little, a scale-out and a refresh.
func (f *Fake) earlier() {
	past := []struct {
		ago   time.Duration
		why   string
		moved int
		to    int
	}{
		{171 * time.Minute, "cold start with 23 workers", 20, 4},
		{128 * time.Minute, "worker-23 joined", 40, 23},
		{95 * time.Minute, "the source listed 12 partitions more", 12, 7},
		{58 * time.Minute, "worker-3 left cleanly and did not return", 40, 11},
		{52 * time.Minute, "worker-3 joined", 40, 3},
		{17 * time.Minute, "the weights of 9 partitions changed", 9, 14},
	}
	for i, p := range past {
		for n := range p.moved {
			to := p.to
			if p.moved == 40 && p.to == 11 || p.moved < 40 {
				to = (p.to + 5*n) % 24
			}
			f.Past(Change{
				At: time.Now().Add(-p.ago).UnixMilli(), Partition: Partition((i*131 + n*23) % 960), From: Worker((n*7 + i) % 24), To: Worker(to),
				Epoch: int64(94 + i), Version: int64(94 + i), Term: 3, By: Worker(0), Why: p.why,
			})
		}
	}
}

// crash loses a worker and gives what it had to those that have least.
func (d *Draft) crash(worker string, ago time.Duration) {
	d.At(ago)
	d.Version()
	why := fmt.Sprintf("lost %s", worker)
	for i, p := range d.Held(worker) {
		to := (i*5 + 1) % 23
		if to >= 9 {
			to++
		}
		d.Release(p, worker)
		d.Grant(p, Worker(to))
		d.Journal(p, worker, Worker(to), why)
	}
	d.Gone(worker)
}

// drain is in the midst of handing over what a worker has.
func (d *Draft) drain(worker string) {
	d.At(3 * time.Second)
	d.Version()
	why := fmt.Sprintf("%s drains", worker)
	for i, p := range d.Held(worker) {
		to := Worker((i*3 + 18) % 24)
		if to == Worker(9) || to == worker {
			to = Worker(0)
		}
		switch {
		case i < 17:
			d.Release(p, worker)
			d.Grant(p, to)
			d.Journal(p, worker, to, why)
		case i < 25:
			d.Revoke(p, worker)
			d.Journal(p, worker, "", why)
		}
	}
	d.Every(func(w *Facts) { w.State, w.Applied = "Rebalancing", 102 })
	d.Worker(worker, func(w *Facts) { w.Leaving, w.State = true, "Rebalancing" })
	d.Phase("rebalancing")
	d.Certificate(40, 40)
}
