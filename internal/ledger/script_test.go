// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts plays testdata/*.txt: a sentence that says what must be true, commands, "----", what follows.
//
//	leader TERM FLOOR          a leader begins, with the records that are stored
//	record a/7@3 p1@1 -p2@2/3  a stored record: worker a, session 7, version 3, owns p1 with epoch 1, releases p2 since 3 ("!": unlisted)
//	source p1 p2               the source lists these
//	target p1=a p2=b           who should have what
//	members a b
//	seen a/7@3, ended a/7      a session lives and has applied a version; is over
//	seen a/7@3-p1,p2           it lives and has applied a version, but is still holding these
//	shown a/7@4                what it may run already, and has not applied
//	leaving a, staying a       a worker announces that it leaves; a later session of its stays
//	unreadable a               the record of a worker cannot be read
//	toolarge                   the store refuses what was proposed
//	forgotten 7                what is stored is not newer than this version
//	doubtful                   what nobody is granted because somebody may hold it
//	home p1 p2, forget a       where partitions are at home; a worker is not expected back
//	write                      propose, and store
//	propose, stored            the two halves of it
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			script, want, _ := strings.Cut(string(text), "----\n")
			got := play(t, script)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(script+"----\n"+got), 0o600))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

type player struct {
	ledger  *Ledger
	records map[string]Record
	pending *Write
	out     strings.Builder
}

func play(t *testing.T, script string) string {
	t.Helper()
	p := &player{ledger: New(1, 0), records: map[string]Record{}}
	_, commands, _ := strings.Cut(script, "\n\n")
	for _, line := range strings.Split(strings.TrimSpace(commands), "\n") {
		words := strings.Fields(line)
		require.NotEmpty(t, words, "an empty line among the commands")
		p.command(t, words[0], words[1:])
		require.NoError(t, p.ledger.valid(), line)
	}
	return p.out.String()
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return n
}

// session reads "a/7@3".
func sessionOf(t *testing.T, s string) (worker string, number_ uint64, version int64) {
	t.Helper()
	who, at, found := strings.Cut(s, "@")
	worker, n, _ := strings.Cut(who, "/")
	if found {
		version = number(t, at)
	}
	return worker, uint64(number(t, n)), version
}

func (p *player) command(t *testing.T, verb string, args []string) {
	t.Helper()
	switch verb {
	case "leader":
		p.ledger, p.pending = New(uint64(number(t, args[0])), number(t, args[1])), nil
		for _, r := range p.records {
			p.ledger.Restore(r)
		}
	case "record":
		p.record(t, args)
	case "toolarge":
		p.ledger.TooLarge(*p.pending)
		p.pending = nil
	case "source":
		var list []strategy.Partition
		for _, id := range args {
			list = append(list, strategy.Partition{Keys: []string{id}})
		}
		p.ledger.SetPartitions(list)
	case "target":
		target := map[string]string{}
		for _, a := range args {
			id, w, _ := strings.Cut(a, "=")
			target[id] = w
		}
		p.ledger.SetTarget(target)
	case "members":
		p.ledger.SetMembers(args)
	case "seen":
		for _, a := range args {
			a, holding, _ := strings.Cut(a, "-")
			worker, n, applied := sessionOf(t, a)
			p.ledger.SessionSeen(worker, n, applied, strings.FieldsFunc(holding, func(r rune) bool { return r == ',' })...)
		}
	case "shown":
		worker, n, version := sessionOf(t, args[0])
		p.ledger.SessionShown(worker, n, version)
	case "ended":
		for _, a := range args {
			worker, n, _ := sessionOf(t, a)
			p.ledger.SessionEnded(worker, n)
		}
	case "leaving", "staying":
		for _, worker := range args {
			p.ledger.Leaving(worker, verb == "leaving")
		}
	case "unreadable":
		for _, worker := range args {
			p.ledger.Unreadable(worker)
		}
	case "forgotten":
		p.ledger.Forgotten(number(t, args[0]), 0, len(args) > 1)
	case "doubtful":
		fmt.Fprintf(&p.out, "doubtful: %s\n", strings.Join(p.ledger.Doubtful(), " "))
	case "home":
		for _, id := range args {
			fmt.Fprintf(&p.out, "%s is at home with %q\n", id, p.ledger.Home(id))
		}
	case "forget":
		for _, worker := range args {
			p.ledger.Forget(worker)
		}
	case "write":
		p.propose()
		p.store(t)
	case "propose":
		p.propose()
	case "stored":
		p.store(t)
	default:
		t.Fatalf("unknown command %q", verb)
	}
}

func (p *player) record(t *testing.T, args []string) {
	t.Helper()
	worker, session, version := sessionOf(t, args[0])
	r := Record{Worker: worker, Session: session, Version: version}
	for _, a := range args[1:] {
		id, epoch, _ := strings.Cut(strings.TrimPrefix(a, "-"), "@")
		epoch, since, releasing := strings.Cut(epoch, "/")
		if releasing {
			since, unlisted := strings.CutSuffix(since, "!")
			r.Releasing = append(r.Releasing, Releasing{Partition: id, Epoch: number(t, epoch), Since: number(t, since), Unlisted: unlisted})
		} else {
			r.Owned = append(r.Owned, Owned{Partition: id, Epoch: number(t, epoch)})
		}
	}
	p.records[worker] = r
}

func (p *player) propose() {
	p.pending = nil
	w, ok := p.ledger.Propose()
	if !ok {
		fmt.Fprintln(&p.out, "nothing to write")
		return
	}
	p.pending = &w
	fmt.Fprintf(&p.out, "version %d\n", w.Version)
	for _, e := range append(w.Revokes, w.Grants...) {
		fmt.Fprintf(&p.out, "  %s", e)
		if e.From != "" {
			fmt.Fprintf(&p.out, " after %s", e.From)
		}
		fmt.Fprintln(&p.out)
	}
	for _, r := range w.Records {
		fmt.Fprintf(&p.out, "  record %s/%d:", r.Worker, r.Session)
		for _, o := range r.Owned {
			fmt.Fprintf(&p.out, " %s@%d", o.Partition, o.Epoch)
		}
		for _, o := range r.Releasing {
			fmt.Fprintf(&p.out, " -%s@%d/%d", o.Partition, o.Epoch, o.Since)
			if o.Unlisted {
				fmt.Fprint(&p.out, "!")
			}
		}
		if r.Unread > 0 {
			fmt.Fprintf(&p.out, " unread until %d", r.Unread)
		}
		fmt.Fprintln(&p.out)
	}
	for _, worker := range w.Remove {
		fmt.Fprintf(&p.out, "  remove %s\n", worker)
	}
}

func (p *player) store(t *testing.T) {
	t.Helper()
	if p.pending == nil {
		return
	}
	for _, r := range p.pending.Records {
		p.records[r.Worker] = r
	}
	for _, worker := range p.pending.Remove {
		delete(p.records, worker)
	}
	p.ledger.Stored(*p.pending)
	p.pending = nil
}
