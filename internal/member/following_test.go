// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// TestFollowingScripts plays testdata/following/*.txt. The worker is a, in session 7.
//
//	carries 6            the partitions of session 6 are kept (only at the beginning)
//	compares digest      the worker starts and lists what has this digest (only at the beginning)
//	term 3               the feed tells the term
//	plan 3/5 [digest]    it tells a plan of term 3 and version 5, made for a list with that digest
//	damped 3/5 20s       a plan that gives the worker nothing for so long
//	record 7/5 p1 -p2    it tells a record of session 7, term 1, version 5, which grants p1 and takes p2 away
//	record 7/5 unread    the record before it could not be read, or nobody has it any more
//	newer plan, garbled record  it tells an entry of a newer format; one that cannot be read
//	gone                 it tells that the worker's record is gone
//	synced, blind        it has told everything; it sees nothing
//	shown [problem], refused, superseded  what became of what was to be shown
//	same, foreign, failed  what the comparison has found
//	tick                 the shell wakes up as late as it was asked to
func TestFollowingScripts(t *testing.T) {
	electionScripts(t, "following", func(t *testing.T, lines []string) string {
		p := &followingPlayer{now: electionStart, cfg: FollowingConfig{Worker: "a", Session: 7}}
		for _, line := range lines {
			words := strings.Fields(line)
			require.NotEmpty(t, words, "an empty line among the commands")
			fact := p.fact(t, words[0], words[1:])
			if fact == nil {
				continue
			}
			if p.following == nil {
				p.following = NewFollowing(p.cfg)
			}
			for _, e := range p.following.Step(p.now, fact, nil) {
				fmt.Fprintf(&p.out, "%s %s\n", p.now.Sub(electionStart), e)
				if w, ok := e.(*FollowingWake); ok {
					p.wake = w.At
				}
			}
			require.NoError(t, p.following.valid(p.now), line)
		}
		return p.out.String()
	})
}

type followingPlayer struct {
	now       time.Time
	cfg       FollowingConfig
	following *Following
	wake      time.Time
	out       strings.Builder
}

func followingPut(key, value string) *FollowingUpdate {
	return &FollowingUpdate{store.Update{Kind: store.UpdatePut, Entry: store.Entry{Key: key, Value: []byte(value)}}}
}

func followingTerm(term uint64) *FollowingUpdate {
	return followingPut(store.TermKey, fmt.Sprintf(`{"format":1,"number":%d}`, term))
}

func followingPlan(term uint64, version int64, more string) *FollowingUpdate {
	return followingPut(store.PlanKey, fmt.Sprintf(`{"format":1,"term":%d,"version":%d,"phase":"idle","lifecycle":"stable"%s}`, term, version, more))
}

func followingRecord(session uint64, version int64, partitions ...string) *FollowingUpdate {
	var owned, releasing []string
	unread := int64(0)
	for _, p := range partitions {
		if p == "unread" {
			unread = version
		} else if id, taken := strings.CutPrefix(p, "-"); taken {
			releasing = append(releasing, fmt.Sprintf(`{"partition":%q,"epoch":1}`, id))
		} else {
			owned = append(owned, fmt.Sprintf(`{"partition":%q,"epoch":1}`, id))
		}
	}
	return followingPut("a", fmt.Sprintf(`{"format":1,"worker":"a","session":%d,"term":1,"version":%d,"unread":%d,"owned":[%s],"releasing":[%s]}`,
		session, version, unread, strings.Join(owned, ","), strings.Join(releasing, ",")))
}

func (p *followingPlayer) fact(t *testing.T, verb string, args []string) FollowingFact {
	t.Helper()
	pair := func() (uint64, int64) {
		a, b, _ := strings.Cut(args[0], "/")
		return electionNumber(t, a), int64(electionNumber(t, b))
	}
	switch verb {
	case "carries":
		p.cfg.Carried = electionNumber(t, args[0])
		return nil
	case "compares":
		own := args[0]
		p.cfg.Suspect = func(plan record.Plan) bool { return plan.Digest != own }
		return nil
	case "term":
		return followingTerm(electionNumber(t, args[0]))
	case "plan":
		term, version := pair()
		return followingPlan(term, version, fmt.Sprintf(`,"digest":%q`, strings.Join(args[1:], "")))
	case "damped":
		term, version := pair()
		d, err := time.ParseDuration(args[1])
		require.NoError(t, err)
		return followingPlan(term, version, fmt.Sprintf(`,"damped":[{"worker":"b","until":"2001-01-01T00:00:00Z"},{"worker":"a","until":%q}]`,
			p.now.Add(d).Format(time.RFC3339Nano)))
	case "record":
		session, version := pair()
		return followingRecord(session, version, args[1:]...)
	case "newer", "garbled":
		key := map[string]string{"term": store.TermKey, "plan": store.PlanKey, "record": "a"}[args[0]]
		return followingPut(key, map[string]string{"newer": `{"format":99}`, "garbled": "no record"}[verb])
	case "gone":
		return &FollowingUpdate{store.Update{Kind: store.UpdateDeleted, Entry: store.Entry{Key: "a"}}}
	case "blind":
		return &FollowingUpdate{store.Update{Kind: store.UpdateBlind}}
	case "synced":
		return &FollowingUpdate{store.Update{Kind: store.UpdateSynced}}
	case "shown":
		if len(args) > 0 {
			return &FollowingServed{Err: errors.New("the hook failed")}
		}
		return &FollowingServed{}
	case "refused":
		return &FollowingServed{Outcome: FollowingRefused}
	case "superseded":
		return &FollowingServed{Outcome: FollowingSuperseded}
	case "same":
		return &FollowingCompared{}
	case "foreign":
		return &FollowingCompared{Foreign: true, Err: errors.New("nothing in common")}
	case "failed":
		return &FollowingCompared{Err: errors.New("the source failed")}
	case "tick":
		require.NotZero(t, p.wake)
		p.now = p.wake
		return &FollowingTicked{}
	default:
		t.Fatalf("unknown command %q", verb)
		return nil
	}
}

// TestWhateverIsFollowed: whatever the store tells in whatever order, one record is shown at a time, the position never goes back,
// only records of the session (or of the one that is carried) are shown and never an older one after a newer one of the same
// session, and the newest is shown in the end.
func TestWhateverIsFollowed(t *testing.T) {
	shows := 0
	for seed := range uint64(500) {
		w := &followingWorld{t: t, rng: rand.New(rand.NewPCG(seed, 3)), now: electionStart, unknown: map[string]bool{}}
		cfg := FollowingConfig{Worker: "a", Session: 7, Carried: []uint64{0, 6}[w.rng.IntN(2)], Position: record.Position{Term: 1, Version: 2}}
		if w.rng.IntN(2) == 0 {
			cfg.Suspect = func(record.Plan) bool { return true }
			w.suspects = true
		}
		w.position, w.following = cfg.Position, NewFollowing(cfg)
		for range 200 {
			w.turn()
		}
		w.settle()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		shows += w.shows
	}
	require.Greater(t, shows, 5000, "records are shown")
}

type followingWorld struct {
	t         *testing.T
	rng       *rand.Rand
	now       time.Time
	following *Following
	position  record.Position
	unknown   map[string]bool
	suspects  bool // the source is not compared yet
	foreign   bool
	showing   *FollowingShow
	shown     *FollowingShow // last, and not refused
	compares  bool
	wake      time.Time
	newest    int64 // version of the newest record of the session
	shows     int
}

func (w *followingWorld) step(f FollowingFact) {
	for _, effect := range w.following.Step(w.now, f, nil) {
		switch e := effect.(type) {
		case *FollowingShow:
			require.Nil(w.t, w.showing, "two records are shown at once")
			require.Empty(w.t, w.unknown, "a record is shown among some of an unknown format")
			require.False(w.t, w.suspects || w.foreign, "a record is shown before the source is compared")
			require.Contains(w.t, []uint64{6, 7}, e.Record.Session)
			require.Equal(w.t, e.Record.Session == 6, e.Shrink, "what is carried only shrinks")
			if before := w.shown; before != nil && before.Record.Session == 7 {
				require.EqualValues(w.t, 7, e.Record.Session, "the session before again")
				require.GreaterOrEqual(w.t, e.Record.Version, before.Record.Version, "an older record")
				require.GreaterOrEqual(w.t, e.Position.Version, before.Position.Version)
			}
			w.showing = e
			w.shows++
		case *FollowingCompare:
			require.False(w.t, w.compares, "two comparisons at once")
			w.compares = true
		case *FollowingSeen:
			require.True(w.t, e.Position.Term >= w.position.Term && e.Position.Version >= w.position.Version, "the position goes back")
			w.position = e.Position
		case *FollowingVacated:
			require.False(w.t, e.Is && w.showing != nil, "vacated while something is shown")
		case *FollowingWake:
			w.wake = e.At
		}
	}
	require.NoError(w.t, w.following.valid(w.now))
}

func (w *followingWorld) turn() {
	term, version := w.position.Term+uint64(w.rng.IntN(2)), w.position.Version+int64(w.rng.IntN(2))
	if w.rng.IntN(20) == 0 {
		version-- // restored
	}
	switch w.rng.IntN(12) {
	case 0:
		delete(w.unknown, store.TermKey)
		w.step(followingTerm(term))
	case 1, 2:
		delete(w.unknown, store.PlanKey)
		w.step(followingPlan(term, version, ""))
	case 3, 4, 5:
		session := []uint64{5, 6, 7, 7, 7, 8}[w.rng.IntN(6)]
		v := w.newest - 1 + int64(w.rng.IntN(3))
		if session == 7 {
			w.newest = max(w.newest, v)
		}
		delete(w.unknown, "a")
		w.step(followingRecord(session, v, []string{"p1", "p2", "-p3"}[:w.rng.IntN(4)]...))
	case 6:
		if key := []string{store.TermKey, store.PlanKey, "a"}[w.rng.IntN(3)]; w.rng.IntN(4) == 0 {
			w.unknown[key] = true
			w.step(followingPut(key, `{"format":99}`))
		}
	case 7:
		w.step(&FollowingUpdate{store.Update{Kind: []store.UpdateKind{store.UpdateSynced, store.UpdateGone, store.UpdateBlind}[w.rng.IntN(3)], Entry: store.Entry{Key: "a"}}})
	default:
		w.next()
	}
}

// next answers what is under way, or lets time pass.
func (w *followingWorld) next() {
	switch {
	case w.showing != nil:
		served := &FollowingServed{Outcome: FollowingOutcome(w.rng.IntN(2))}
		if served.Outcome == FollowingShown {
			w.shown = w.showing
		}
		w.showing = nil
		w.step(served)
	case w.compares:
		w.compares = false
		switch w.rng.IntN(10) {
		case 0:
			w.foreign = true
			w.step(&FollowingCompared{Foreign: true, Err: errors.New("foreign")})
		case 1, 2, 3:
			w.step(&FollowingCompared{Err: errors.New("failed")})
		default:
			w.suspects = false
			w.step(&FollowingCompared{})
		}
	case !w.wake.IsZero():
		w.now = w.wake
		w.step(&FollowingTicked{})
	}
}

// settle: where nothing new comes and nothing fails any more, the newest record is shown.
func (w *followingWorld) settle() {
	w.unknown = map[string]bool{}
	w.newest = max(w.newest, w.position.Version) + 1
	w.step(followingTerm(w.position.Term))
	w.step(followingRecord(7, w.newest, "p9"))
	w.step(followingPlan(w.position.Term, w.newest, ""))
	for range 1000 {
		w.next()
	}
	if w.foreign {
		return
	}
	require.NotNil(w.t, w.shown)
	require.Equal(w.t, w.newest, w.shown.Record.Version)
	require.EqualValues(w.t, 7, w.shown.Record.Session)
}
