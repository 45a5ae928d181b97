// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"strconv"

	"github.com/parti-go/parti/observe"
)

// This file has the words in which the page is told of a group. Lists are never null, so that the page need not ask.

type groupWords struct {
	At      int64     `json:"at"`
	Group   string    `json:"group"`
	Bucket  string    `json:"bucket"`
	Seq     uint64    `json:"seq"`
	Leader  string    `json:"leader"`
	Stale   int64     `json:"stale"`
	Unowned int       `json:"unowned"`
	Plan    planWords `json:"plan"`
}

type planWords struct {
	Term        uint64           `json:"term"`
	Version     int64            `json:"version"`
	Phase       string           `json:"phase"`
	Lifecycle   string           `json:"lifecycle"`
	Strategy    string           `json:"strategy"`
	Partitions  int              `json:"partitions"`
	Stored      int64            `json:"stored"`
	Members     []string         `json:"members"`
	Certificate certificateWords `json:"certificate"`
}

type certificateWords struct {
	Moves          int     `json:"moves"`
	LeastMoves     int     `json:"leastMoves"`
	Imbalance      float64 `json:"imbalance"`
	LeastImbalance float64 `json:"leastImbalance"`
}

// workerWords is a worker without its partitions.
type workerWords struct {
	ID       string            `json:"id"`
	Host     string            `json:"host"`
	Process  int               `json:"process"`
	Session  uint64            `json:"session"`
	State    string            `json:"state"`
	Live     bool              `json:"live"`
	Ended    int64             `json:"ended"`
	Clean    bool              `json:"clean"`
	Leader   bool              `json:"leader"`
	Leaving  bool              `json:"leaving"`
	Cordoned bool              `json:"cordoned"`
	Capacity int64             `json:"capacity"`
	Labels   map[string]string `json:"labels"`
	Stuck    []string          `json:"stuck"`
	Applied  int64             `json:"applied"`
	Damped   int64             `json:"damped"`
}

func planOf(p observe.Plan) planWords {
	return planWords{
		Term: p.Term, Version: p.Version, Phase: p.Phase, Lifecycle: p.Lifecycle, Strategy: p.Strategy, Partitions: p.Partitions,
		Stored: milliseconds(p.Stored), Members: never(p.Members),
		Certificate: certificateWords{
			Moves: p.Certificate.Moves, LeastMoves: p.Certificate.LeastMoves,
			Imbalance: p.Certificate.Imbalance, LeastImbalance: p.Certificate.LeastImbalance,
		},
	}
}

func workerOf(w observe.Worker) workerWords {
	labels := w.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return workerWords{
		ID: w.ID, Host: w.Host, Process: w.Process, Session: w.Session, State: w.State.String(), Live: w.Live,
		Ended: milliseconds(w.Ended), Clean: w.Clean, Leader: w.Leader, Leaving: w.Leaving,
		Cordoned: w.Cordoned, Capacity: w.Capacity, Labels: labels, Stuck: never(w.Stuck), Applied: w.Applied, Damped: milliseconds(w.Damped),
	}
}

// never makes a list that is never null.
func never(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// rowSize is the approximate size of a partition's row.
const rowSize = 48

// encodeGroup writes a whole group. Its partitions are most of it, so they are written by hand: ["orders.17",4,1764150000000,0].
func encodeGroup(g observe.Group, seq uint64, at int64) []byte {
	rows := 0
	for _, w := range g.Workers {
		rows += len(w.Partitions)
	}
	b := make([]byte, 0, 1024+256*len(g.Workers)+rowSize*rows)
	b = open(b, groupWords{
		At: at, Group: g.Name, Bucket: g.Bucket, Seq: seq, Leader: g.Leader, Stale: milliseconds(g.Stale), Unowned: g.Unowned,
		Plan: planOf(g.Plan),
	})
	b = append(b, `,"workers":[`...)
	for i, w := range g.Workers {
		b = comma(b, i)
		b = open(b, workerOf(w))
		b = append(b, `,"partitions":[`...)
		for j, p := range w.Partitions {
			b = comma(b, j)
			b = appendRow(b, "", p)
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}"...)
}

// open appends an object without its end, so that more can be added.
func open(b []byte, object any) []byte {
	words, err := json.Marshal(object)
	if err != nil {
		panic("web: " + err.Error()) // nothing in these types can fail
	}
	return append(b, words[:len(words)-1]...)
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// appendRow appends a partition. It leaves the worker out if it is "".
func appendRow(b []byte, worker string, p observe.Partition) []byte {
	b = appendString(append(b, '['), p.ID)
	if worker != "" {
		b = appendString(append(b, ','), worker)
	}
	b = strconv.AppendInt(append(b, ','), p.Epoch, 10)
	b = strconv.AppendInt(append(b, ','), milliseconds(p.Since), 10)
	if p.Releasing {
		return append(b, ",1]"...)
	}
	return append(b, ",0]"...)
}

// appendString appends a string in JSON. Almost all IDs are plain.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(b, quoted...)
		}
	}
	b = append(append(b, '"'), s...)
	return append(b, '"')
}
