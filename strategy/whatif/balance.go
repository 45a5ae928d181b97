// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/parti-go/parti/strategy"
)

// balance says how the load of partitions is divided among workers.
func (p *planner) balance(workers []strategy.Worker, list *strategy.Prepared, partitions []Partition) Balance {
	b := Balance{Partitions: len(partitions), Workers: make([]Load, len(workers))}
	names := make([]string, len(partitions))
	for i, q := range partitions {
		names[i] = q.Owner
	}
	owners := indices(workers, names)
	var total, room int64
	for i, w := range workers {
		b.Workers[i] = Load{ID: w.ID, Capacity: w.Room(), State: p.state(w)}
		room += w.Room()
	}
	for i, at := range owners {
		if at == strategy.None {
			b.Unowned++
			continue
		}
		l := &b.Workers[at]
		l.Partitions++
		l.Load += partitions[i].Load()
		total += partitions[i].Load()
	}
	for i := range b.Workers {
		if l := &b.Workers[i]; total > 0 {
			l.Share = float64(l.Load) * float64(room) / (float64(total) * float64(l.Capacity))
		}
	}
	slices.SortFunc(b.Workers, func(x, y Load) int { return compareIDs(x.ID, y.ID) })
	c := strategy.Question{Workers: workers, List: list, Previous: owners}.Certify(owners)
	b.Imbalance, b.LeastImbalance = c.Imbalance, c.LeastImbalance
	return b
}

// state says what is special about a worker.
func (p *planner) state(w strategy.Worker) string {
	known := p.fleet.worker(w.ID)
	switch {
	case known == nil, known.Joining:
		return "joins"
	case p.how[w.ID] != stays:
		return p.how[w.ID].does()
	case known.Leaving:
		return "leaves"
	case known.Away:
		return "away"
	case known.Cordoned:
		return "cordoned"
	}
	return ""
}

// compareIDs orders worker IDs by their numbers: worker-9 before worker-10.
func compareIDs(a, b string) int {
	x, m := numbered(a)
	y, n := numbered(b)
	return cmp.Or(cmp.Compare(x, y), cmp.Compare(m, n), cmp.Compare(a, b))
}

func numbered(id string) (prefix string, n int) {
	at := strings.LastIndexByte(id, '-') + 1
	n, err := strconv.Atoi(id[at:])
	if err != nil {
		return id, 0
	}
	return id[:at], n
}
