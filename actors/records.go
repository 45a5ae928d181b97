package actors

import (
	"strings"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// This file translates between the records of the store and those of the ledger.

// remember collects the partitions that a record names.
func remember(known map[string]strategy.Partition, a kv.Assignment) {
	for _, o := range a.Owned {
		known[o.Partition] = partition(o.Partition, o.Weight)
	}
	for _, o := range a.Releasing {
		known[o.Partition] = partition(o.Partition, o.Weight)
	}
}

// partition is the partition that an ID names.
func partition(id string, weight int64) strategy.Partition {
	return strategy.Partition{Keys: strings.Split(id, "."), Weight: weight}
}

func fromStore(a kv.Assignment) ledger.Record {
	r := ledger.Record{Worker: a.Worker, Session: a.Session, Term: a.Term, Version: a.Version, Unread: a.Unread}
	for _, o := range a.Owned {
		r.Owned = append(r.Owned, ledger.Owned{Partition: o.Partition, Weight: o.Weight, Epoch: o.Epoch})
	}
	for _, o := range a.Releasing {
		r.Releasing = append(r.Releasing, ledger.Releasing{Partition: o.Partition, Weight: o.Weight, Epoch: o.Epoch, Since: o.Since})
	}
	return r
}

func toStore(r ledger.Record) kv.Assignment {
	a := kv.Assignment{Worker: r.Worker, Session: r.Session, Term: r.Term, Version: r.Version, Unread: r.Unread}
	for _, o := range r.Owned {
		a.Owned = append(a.Owned, kv.Owned{Partition: o.Partition, Weight: o.Weight, Epoch: o.Epoch})
	}
	for _, o := range r.Releasing {
		a.Releasing = append(a.Releasing, kv.Releasing{Partition: o.Partition, Weight: o.Weight, Epoch: o.Epoch, Since: o.Since})
	}
	return a
}
