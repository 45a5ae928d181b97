// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parti-go/parti/observe"
)

const (
	// journalPatience limits one reading of the journal. journalRetry is the pause after a failed one.
	journalPatience = 10 * time.Second
	journalRetry    = 2 * time.Second
	// mostChanges is the largest number of changes in an event: the newest ones.
	mostChanges = 10_000
)

// changeWords is a change of an owner, as the page reads it.
type changeWords struct {
	At        int64  `json:"at"`
	Partition string `json:"partition"`
	From      string `json:"from"`
	To        string `json:"to"`
	Epoch     int64  `json:"epoch"`
	Version   int64  `json:"version"`
	Term      uint64 `json:"term"`
	By        string `json:"by"`
	Why       string `json:"why"`
	Left      int    `json:"left"`
}

func changesOf(list []observe.Change) []changeWords {
	words := make([]changeWords, 0, len(list))
	for _, c := range list {
		words = append(words, changeWords{
			At: milliseconds(c.At), Partition: c.Partition, From: c.From, To: c.To, Epoch: c.Epoch, Version: c.Version, Term: c.Term,
			By: c.By, Why: c.Why, Left: c.Left,
		})
	}
	return words
}

// followJournal sends the new entries of the journal whenever there may be some, until ctx ends. An entry is stored together
// with the plan of its version, so it is there once the plan is seen.
func (f *feed) followJournal(ctx context.Context, news <-chan struct{}, from observe.Plan) {
	version, since := from.Version, from.Stored
	var again <-chan time.Time
	for {
		select {
		case <-news:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		changes, err := f.changes(ctx, version, since)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.log.Debug("web: read the journal", "error", err)
			again = time.After(journalRetry)
		case len(changes) > 0:
			newest := changes[len(changes)-1]
			version, since = newest.Version, newest.At
			f.tellChanges(changes)
		}
	}
}

// changes returns the changes of versions after a given one.
func (f *feed) changes(ctx context.Context, version int64, since time.Time) ([]observe.Change, error) {
	ctx, cancel := context.WithTimeout(ctx, journalPatience)
	defer cancel()
	all, err := f.view.History(ctx, observe.Query{Since: since, Limit: mostChanges})
	for i, c := range all {
		if c.Version > version {
			return all[i:], err
		}
	}
	return nil, err
}

func (f *feed) tellChanges(changes []observe.Change) {
	words, err := json.Marshal(changesOf(changes))
	if err != nil {
		panic("web: " + err.Error()) // nothing in these types can fail
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell(event("change", f.now.seq, words))
}
