// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

var electionUpdate = flag.Bool("update-election", false, "rewrite what the scripts of elections and of following expect")

var electionStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const electionTTL = 9 * time.Second

// electionScripts plays the scripts of a folder: a sentence that says what must be true, commands, "----", what follows.
func electionScripts(t *testing.T, folder string, play func(t *testing.T, lines []string) string) {
	t.Helper()
	files, err := filepath.Glob("testdata/" + folder + "/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			script, want, _ := strings.Cut(string(text), "----\n")
			_, commands, _ := strings.Cut(script, "\n\n")
			got := play(t, strings.Split(strings.TrimSpace(commands), "\n"))
			if *electionUpdate {
				require.NoError(t, os.WriteFile(file, []byte(script+"----\n"+got), 0o600))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

// TestElectionScripts plays testdata/election/*.txt. The worker is a, LeaderTTL is 9 s.
//
//	synced              the feed has told everything
//	holds b 7           the feed tells that b holds the lease, as of revision 7; "garbage" for what cannot be read
//	free                the feed tells that nobody holds it any more
//	tick                the shell wakes up as late as it was asked to, without the spread
//	pass 500ms          time passes, and the shell does not wake
//	won 10 3            the campaign or the new term is stored: the lease at revision 10, sent just now; term 3
//	half 10 ERROR       the lease was acquired or renewed, and the term was not
//	failed ERROR        neither: refused, unanswered, lost, late; "taken b 7": b holds the lease
//	renewed 11, renewal ERROR  the answer to the renewal of the newest lease; "stale ERROR": of an earlier one
//	term 9              this term is in the store
//	refence 3           the fence of this term may not be used any more
//	abstain 20s         the lead is left to others for so long; "abstain no" takes that back
func TestElectionScripts(t *testing.T) {
	electionScripts(t, "election", func(t *testing.T, lines []string) string {
		p := &electionPlayer{now: electionStart}
		var effects []ElectionEffect
		p.election, effects = NewElection(p.now, ElectionConfig{Worker: "a", LeaderTTL: electionTTL})
		p.note(effects)
		for _, line := range lines {
			words := strings.Fields(line)
			require.NotEmpty(t, words, "an empty line among the commands")
			if f := p.fact(t, words[0], words[1:]); f != nil {
				p.note(p.election.Step(p.now, f, nil))
				require.NoError(t, p.election.valid(p.now), line)
			}
		}
		return p.out.String()
	})
}

type electionPlayer struct {
	now      time.Time
	election *Election
	wake     time.Time
	lease    uint64 // revision of the newest lease
	out      strings.Builder
}

func (p *electionPlayer) note(effects []ElectionEffect) {
	for _, e := range effects {
		fmt.Fprintf(&p.out, "%s %s\n", p.now.Sub(electionStart), e)
		if w, ok := e.(*ElectionWake); ok {
			p.wake = w.At
		}
	}
}

func electionNumber(t *testing.T, s string) (n uint64) {
	t.Helper()
	_, err := fmt.Sscan(s, &n)
	require.NoError(t, err)
	return n
}

func electionPut(t *testing.T, worker string, revision uint64) store.Entry {
	t.Helper()
	value := []byte("no record")
	if worker != "garbage" {
		var err error
		value, err = record.Encode("token", record.Leader{Worker: worker})
		require.NoError(t, err)
	}
	return store.Entry{Bucket: store.Election, Key: store.LeaderKey, Revision: revision, Value: value}
}

func (p *electionPlayer) failure(t *testing.T, words []string) error {
	t.Helper()
	if words[0] == "taken" {
		return fmt.Errorf("campaign: %w", &store.TakenError{Entry: electionPut(t, words[1], electionNumber(t, words[2]))})
	}
	err := map[string]error{"refused": store.ErrNotDone, "unanswered": store.ErrUnknown, "lost": store.ErrLost, "late": store.ErrLate}[words[0]]
	require.Error(t, err)
	return err
}

func (p *electionPlayer) own(revision uint64) *store.Lease {
	p.lease = revision
	return &store.Lease{Bucket: store.Election, Key: store.LeaderKey, Revision: revision, Sent: p.now, TTL: electionTTL}
}

func (p *electionPlayer) fact(t *testing.T, verb string, args []string) ElectionFact {
	t.Helper()
	number := func(n int) uint64 { return electionNumber(t, args[n]) }
	switch verb {
	case "synced":
		return &ElectionUpdate{store.Update{Kind: store.UpdateSynced}}
	case "holds":
		return &ElectionUpdate{store.Update{Kind: store.UpdatePut, Entry: electionPut(t, args[0], number(1))}}
	case "free":
		return &ElectionUpdate{store.Update{Kind: store.UpdateExpired}}
	case "tick":
		require.NotZero(t, p.wake)
		if p.wake.After(p.now) {
			p.now = p.wake
		}
		return &ElectionTicked{}
	case "pass":
		d, err := time.ParseDuration(args[0])
		require.NoError(t, err)
		p.now = p.now.Add(d)
	case "won":
		return &ElectionCampaigned{Lease: p.own(number(0)), Fence: store.Fence{Term: number(1), Revision: number(1)}}
	case "half":
		return &ElectionCampaigned{Lease: p.own(number(0)), Err: p.failure(t, args[1:])}
	case "failed":
		return &ElectionCampaigned{Err: p.failure(t, args)}
	case "renewed":
		from := p.lease
		return &ElectionRenewed{From: from, Lease: *p.own(number(0))}
	case "renewal":
		return &ElectionRenewed{From: p.lease, Err: p.failure(t, args)}
	case "stale":
		return &ElectionRenewed{From: p.lease - 1, Err: p.failure(t, args)}
	case "term":
		return &ElectionTermSeen{Term: number(0)}
	case "refence":
		return &ElectionFenceLost{Fence: store.Fence{Term: number(0), Revision: number(0)}}
	case "abstain":
		if args[0] == "no" {
			return &ElectionAbstain{}
		}
		d, err := time.ParseDuration(args[0])
		require.NoError(t, err)
		return &ElectionAbstain{Until: p.now.Add(d)}
	default:
		t.Fatalf("unknown command %q", verb)
	}
	return nil
}

// TestWhateverBefallsAnElection: a candidate in a store where others campaign, overwrite and delete the lease, and store terms, and
// where answers are late, lost and refused. It never has two writes of its lease under way, leads only under a lease that it
// holds and trusts, in a term that is the highest it knows, and always goes on.
func TestWhateverBefallsAnElection(t *testing.T) {
	led := 0
	for seed := range uint64(500) {
		w := newElectionWorld(t, rand.New(rand.NewPCG(seed, 2)))
		for range 300 {
			w.turn()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		w.settle()
		led += w.led
	}
	require.Greater(t, led, 500, "elections are won")
}

// electionWorld is a store with one lease and one term, and what is under way from one candidate.
type electionWorld struct {
	t        *testing.T
	rng      *rand.Rand
	now      time.Time
	election *Election

	revision uint64
	holder   uint64 // the revision of the lease that is stored, 0 for none
	owner    string
	expires  time.Time
	term     uint64

	fed      time.Time // when the last update that is on its way is told
	wake     time.Time
	answers  []electionAnswer
	leads    store.Fence
	trusted  time.Time // until when its lease is trusted, reckoned apart from it
	abstains time.Time
	terms    []time.Time // when it began terms
	led      int
}

type electionAnswer struct {
	at   time.Time
	fact ElectionFact
}

func newElectionWorld(t *testing.T, rng *rand.Rand) *electionWorld {
	w := &electionWorld{t: t, rng: rng, now: electionStart}
	var effects []ElectionEffect
	w.election, effects = NewElection(w.now, ElectionConfig{Worker: "a", LeaderTTL: electionTTL})
	w.perform(effects)
	w.step(&ElectionUpdate{store.Update{Kind: store.UpdateSynced}})
	return w
}

func (w *electionWorld) pause(most time.Duration) time.Duration {
	return time.Duration(w.rng.Int64N(int64(most)))
}

func (w *electionWorld) step(f ElectionFact) {
	w.perform(w.election.Step(w.now, f, nil))
	require.NoError(w.t, w.election.valid(w.now))
	if w.leads.Term != 0 {
		require.True(w.t, w.now.Before(w.trusted), "it leads under a lease that has run out")
		require.False(w.t, w.now.Before(w.abstains), "it leads although it abstains")
	}
}

func (w *electionWorld) perform(effects []ElectionEffect) {
	for _, effect := range effects {
		switch e := effect.(type) {
		case *ElectionCampaign:
			require.False(w.t, w.now.Before(w.abstains), "it campaigns although it abstains")
			w.write(0, e.Floor, true)
		case *ElectionNewTerm:
			require.Zero(w.t, w.leads, "it leads and begins another term")
			w.write(e.Lease.Revision, e.Floor, true)
		case *ElectionRenew:
			w.write(e.Lease.Revision, 0, false)
		case *ElectionRelease:
			require.Zero(w.t, w.leads, "it gives up the lease before the fence")
			if w.holder == e.Lease.Revision {
				w.release()
			}
		case *ElectionLead:
			require.Zero(w.t, w.leads)
			w.leads = e.Fence
			w.led++
		case *ElectionYield:
			require.NotZero(w.t, w.leads, "it yields twice")
			w.leads = store.Fence{}
		case *ElectionWake:
			if w.wake = e.At; !e.At.IsZero() {
				w.wake = e.At.Add(w.pause(e.Spread + 1))
			}
		}
	}
}

func (w *electionWorld) tell(f ElectionFact, d time.Duration) {
	w.answers = append(w.answers, electionAnswer{w.now.Add(d), f})
}

// feed tells updates in their order.
func (w *electionWorld) feed(u store.Update) {
	if at := w.now.Add(w.pause(100 * time.Millisecond)); at.After(w.fed) {
		w.fed = at
	}
	w.tell(&ElectionUpdate{u}, w.fed.Sub(w.now))
}

func (w *electionWorld) release() {
	w.revision++
	w.holder = 0
	w.feed(store.Update{Kind: store.UpdateDeleted, Entry: store.Entry{Revision: w.revision}})
}

// put stores the lease of a worker.
func (w *electionWorld) put(worker string) *store.Lease {
	w.revision++
	w.holder, w.owner, w.expires = w.revision, worker, w.now.Add(electionTTL)
	w.feed(store.Update{Kind: store.UpdatePut, Entry: electionPut(w.t, worker, w.revision)})
	return &store.Lease{Revision: w.revision, Sent: w.now, TTL: electionTTL}
}

// write acquires or renews the lease, and begins a term.
func (w *electionWorld) write(from, floor uint64, begins bool) {
	require.Zero(w.t, w.underWay(from), "two writes of one lease are under way")
	var l *store.Lease
	var err error
	luck := w.rng.IntN(10)
	switch {
	case luck == 0:
		err = store.ErrNotDone
	case from != 0 && w.holder != from, from != 0 && luck == 2:
		err = store.ErrLost
	case from == 0 && w.holder != 0:
		err = &store.TakenError{Entry: electionPut(w.t, w.owner, w.holder)}
	case luck == 1:
		err = store.ErrUnknown
		if w.rng.IntN(2) == 0 && from == 0 {
			w.put("a") // it was stored after all; it expires
		}
	default:
		l = w.put("a")
	}
	delay := w.pause(2 * time.Second)
	if !begins {
		r := &ElectionRenewed{From: from, Err: err}
		if l != nil {
			r.Lease = *l
		}
		w.tell(r, delay)
		return
	}
	c := &ElectionCampaigned{Lease: l, Err: err}
	if l != nil && w.rng.IntN(5) == 0 {
		c.Err = []error{store.ErrUnknown, store.ErrNotDone}[w.rng.IntN(2)]
	} else if l != nil {
		w.term = max(w.term, floor) + 1
		c.Fence = store.Fence{Term: w.term, Revision: w.term}
		w.terms = append(w.terms, w.now)
	}
	w.tell(c, delay)
}

// underWay counts the campaigns and new terms that are not answered yet, and the renewals of this lease.
func (w *electionWorld) underWay(from uint64) (n int) {
	for _, a := range w.answers {
		switch f := a.fact.(type) {
		case *ElectionRenewed:
			if f.From == from {
				n++
			}
		case *ElectionCampaigned:
			n++
		}
	}
	return n
}

// turn lets something befall the candidate.
func (w *electionWorld) turn() {
	if w.holder != 0 && w.owner != "a" && !w.now.Before(w.expires) || w.holder != 0 && w.now.After(w.expires) {
		w.release()
	}
	switch w.rng.IntN(40) {
	case 0:
		w.put("b") // overwritten
	case 1:
		if w.holder != 0 {
			w.release()
		}
	case 2:
		w.term++
		w.step(&ElectionTermSeen{Term: w.term})
	case 3:
		lost := w.leads
		w.leads = store.Fence{} // whoever says so does not lead any more
		w.step(&ElectionFenceLost{Fence: lost})
	case 4:
		until := w.now.Add(w.pause(2 * electionTTL))
		if until.After(w.abstains) {
			w.abstains = until
		}
		w.step(&ElectionAbstain{Until: until})
	case 5:
		w.abstains = time.Time{}
		w.step(&ElectionAbstain{})
	default:
		w.next()
	}
}

// next is what comes next: an answer, or the time to wake.
func (w *electionWorld) next() {
	first := -1
	for i, a := range w.answers {
		if first < 0 || a.at.Before(w.answers[first].at) {
			first = i
		}
	}
	var fact ElectionFact = &ElectionTicked{}
	at := w.wake
	if first >= 0 && (at.IsZero() || !w.answers[first].at.After(at)) {
		at, fact = w.answers[first].at, w.answers[first].fact
		w.answers = append(w.answers[:first], w.answers[first+1:]...)
	} else if at.IsZero() {
		at = w.expires
		if w.holder != 0 {
			w.now = at.Add(1)
			w.release()
		}
		return
	}
	if at.After(w.now) {
		w.now = at
	}
	switch f := fact.(type) {
	case *ElectionCampaigned:
		if f.Lease != nil {
			w.trusted = f.Lease.TrustedUntil()
		}
	case *ElectionRenewed:
		if f.Err == nil && w.election.lease != nil && w.election.lease.Revision == f.From {
			w.trusted = f.Lease.TrustedUntil()
		}
	}
	w.step(fact)
}

// settle: in the end, when nothing goes wrong any more, somebody leads, and terms were not begun faster than the pace allows.
func (w *electionWorld) settle() {
	for range 200 {
		if w.holder != 0 && !w.now.Before(w.expires) {
			w.release()
		}
		if w.leads.Term != 0 {
			break
		}
		w.next()
	}
	require.True(w.t, w.leads.Term != 0, "it never leads again: %+v", w.election)
	for i := range w.terms {
		if i >= 4 {
			require.GreaterOrEqual(w.t, w.terms[i].Sub(w.terms[i-4]), 3*electionTTL/3, "in any three steps of the pace at most four terms are begun")
		}
	}
}
