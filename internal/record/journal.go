// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package record

import "time"

// Journal says why a version of the plan was written, and which workers it gave or took partitions. It is for people: no rule
// reads it.
type Journal struct {
	Term        uint64      `json:"term"`
	Version     int64       `json:"version"`
	At          time.Time   `json:"at"` // by the clock of the leader
	By          string      `json:"by"` // the leader
	Why         string      `json:"why"`
	Certificate Certificate `json:"certificate"`
	Changes     []Change    `json:"changes,omitempty"`
	// Left is the number of further partitions. They are left out because the store accepts no longer entry.
	Left int `json:"left,omitempty"`

	ways map[way]int // where in Changes what is noted
}

// way is the former and the next owner of partitions.
type way struct {
	from, to string
	epoch    int64
}

// Change is what a version does to some partitions. An entry lists partitions with the same former and next owner together. A
// revoke has a From and no To: From has to let go. A grant has a To, and as From the former owner, if the leader knows it.
type Change struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Epoch is the epoch of the grant. For a revoke it is the epoch that ends.
	Epoch      int64    `json:"epoch"`
	Partitions []string `json:"partitions"`
}

// Note adds what happens to one partition.
func (j *Journal) Note(partition, from, to string, epoch int64) {
	w := way{from, to, epoch}
	at, known := j.ways[w]
	if !known {
		if j.ways == nil {
			j.ways = map[way]int{}
		}
		at = len(j.Changes)
		j.ways[w] = at
		j.Changes = append(j.Changes, Change{From: from, To: to, Epoch: epoch})
	}
	j.Changes[at].Partitions = append(j.Changes[at].Partitions, partition)
}

// Halve returns the entry with about half of its partitions, and counts the others as left out. It does not change j.
func (j Journal) Halve() Journal {
	keep := j.Size() / 2
	changes := j.Changes
	j.Changes = nil
	for _, c := range changes {
		n := min(keep, len(c.Partitions))
		keep -= n
		j.Left += len(c.Partitions) - n
		if c.Partitions = c.Partitions[:n]; n > 0 {
			j.Changes = append(j.Changes, c)
		}
	}
	return j
}

// Size counts the partitions of an entry.
func (j Journal) Size() (n int) {
	for _, c := range j.Changes {
		n += len(c.Partitions)
	}
	return n
}
