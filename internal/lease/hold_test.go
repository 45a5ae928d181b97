// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
)

func TestAnErrorThatIsNotKnownLeavesTheOutcomeOpen(t *testing.T) {
	for err, want := range map[error]Outcome{
		nil: Done, store.ErrLost: Over, store.ErrLate: Over, store.ErrTaken: Over, store.ErrNotDone: NotDone, store.ErrTooLarge: NotDone,
		store.ErrUnknown: Unknown, errors.New("anything else"): Unknown,
	} {
		require.Equal(t, want, OutcomeOf(err), "%v", err)
		if err != nil {
			require.Equal(t, want, OutcomeOf(fmt.Errorf("renew: %w", err)), "%v", err)
		}
	}
}

func TestTheZeroHoldDoesNothing(t *testing.T) {
	var h Hold
	h.Hurry(start)
	require.Equal(t, &Wait{}, h.Next(start.Add(time.Hour)))
	require.Equal(t, Over, h.Answered(start, start, nil))
}

// keeper is a shell that keeps a hold in a world of random answers and delays, and an oracle of what it may do.
type keeper struct {
	t       *testing.T
	rng     *rand.Rand
	cfg     Config
	now     time.Time
	hold    Hold
	begun   time.Time
	acked   time.Time // when the last acknowledged write was sent; zero for none
	sent    time.Time // when the write under way was begun
	answer  time.Time // when it will be answered; zero while none is under way
	carries int       // requests that were asked when it was begun
	asked   int
	settled int
	ended   bool
	due     time.Time // what the hold wants to be asked at
	writes  int
}

func (k *keeper) between(a, b time.Duration) time.Duration {
	return a + time.Duration(k.rng.Int64N(int64(b-a)+1))
}

func newKeeper(t *testing.T, rng *rand.Rand) *keeper {
	k := &keeper{t: t, rng: rng, now: start, begun: start}
	ttl := k.between(time.Second, 20*time.Second)
	k.cfg = Config{
		TTL: ttl, Interval: k.between(ttl/20, ttl/2), Pause: k.between(time.Millisecond, ttl/20), LongestPause: k.between(ttl/20, ttl/8),
		Shortest: k.between(ttl/50, ttl/8), Longest: k.between(ttl/8, ttl/4),
	}
	if rng.IntN(2) == 0 {
		k.hold, k.acked = Held(k.cfg, k.now), k.now
	} else {
		k.hold = New(k.cfg, k.now)
	}
	return k
}

// trust is when it ends, reckoned apart from the hold.
func (k *keeper) trust() time.Time {
	from := k.begun
	if !k.acked.IsZero() {
		from = k.acked
	}
	return from.Add(k.cfg.TTL - k.cfg.TTL/4)
}

func (k *keeper) ask() {
	require.Equal(k.t, k.trust(), k.hold.TrustedUntil())
	switch e := k.hold.Next(k.now).(type) {
	case *Write:
		require.False(k.t, k.ended, "a write after the end")
		require.Zero(k.t, k.answer, "two writes under way")
		require.True(k.t, k.now.Before(k.trust()), "a write of what is not trusted")
		require.GreaterOrEqual(k.t, e.Limit, k.cfg.Shortest)
		require.LessOrEqual(k.t, e.Limit, max(k.cfg.Shortest, k.trust().Sub(k.now)/2))
		k.sent, k.carries, k.writes = k.now, k.asked, k.writes+1
		k.answer = k.now.Add(k.between(0, e.Limit))
		k.ask()
	case *Wait:
		k.due = e.At
		if k.ended {
			require.Zero(k.t, e.At)
			return
		}
		require.True(k.t, e.At.After(k.now), "it waits for nothing")
		require.False(k.t, e.At.Add(e.Spread).After(k.trust()), "the end of the trust is not noticed in time")
		if k.answer.IsZero() && e.Spread == 0 {
			latest := k.trust()
			if next := k.acked.Add(k.cfg.Interval); !k.acked.IsZero() && next.After(k.now) && next.Before(latest) {
				latest = next
			}
			require.False(k.t, e.At.After(latest), "no write is due although nothing is under way")
		}
		k.due = e.At.Add(k.between(0, e.Spread))
	case *End:
		require.False(k.t, k.ended, "it ends twice")
		require.True(k.t, e.Err != nil || !k.now.Before(k.trust()), "it ends without a reason")
		k.ended = true
		k.ask()
	}
}

// reply answers the write under way: mostly well, but sometimes for a while not at all.
func (k *keeper) reply(bad int) {
	err := []error{store.ErrNotDone, store.ErrUnknown, errors.New("anything"), store.ErrLost, store.ErrLate}[k.rng.IntN(5)]
	if k.rng.IntN(100) >= bad {
		err = nil
	} else if k.rng.IntN(10) > 0 {
		err = []error{store.ErrNotDone, store.ErrUnknown}[k.rng.IntN(2)]
	}
	k.answer = time.Time{}
	ended, tooLate := k.ended, k.acked.IsZero() && !k.now.Before(k.trust())
	outcome := k.hold.Answered(k.now, k.sent, err)
	switch {
	case ended, OutcomeOf(err) == Over, err == nil && tooLate:
		require.Equal(k.t, Over, outcome)
	default:
		require.Equal(k.t, OutcomeOf(err), outcome)
	}
	if outcome == Done {
		k.acked, k.settled = k.sent, k.carries
	}
}

func (k *keeper) run() {
	bad := []int{0, 5, 40, 100}[k.rng.IntN(4)]
	k.ask()
	for range 200 {
		next := k.due
		if !k.answer.IsZero() && (next.IsZero() || k.answer.Before(next)) {
			next = k.answer
		}
		hurry := k.now.Add(k.between(0, 2*k.cfg.Interval))
		switch {
		case next.IsZero() || hurry.Before(next):
			k.now = hurry
			k.asked++
			require.EqualValues(k.t, k.asked, k.hold.Hurry(k.now))
			if k.answer.IsZero() && !k.ended && k.now.Before(k.trust()) {
				before := k.writes
				k.ask()
				require.Equal(k.t, before+1, k.writes, "what is urgent goes at once")
			}
		case next.Equal(k.answer):
			k.now = next
			k.reply(bad)
		default:
			k.now = next
		}
		k.ask()
		require.NoError(k.t, k.hold.valid())
		require.True(k.t, k.hold.Settled(uint64(k.settled)))
		require.False(k.t, k.hold.Settled(uint64(k.settled+1)), "settled before it is acknowledged")
	}
	// Let everything succeed from here: what was asked for is settled, unless the hold has ended.
	for k.settled < k.asked && !k.ended {
		if !k.answer.IsZero() {
			k.now = k.answer
			k.reply(0)
		} else {
			k.now = k.due
		}
		k.ask()
	}
}

// TestWhateverTheAnswers: never two writes at once, no trust beyond that of the last acknowledged write, always something due,
// nothing after the end, and whatever is asked for is settled by a write that began after it.
func TestWhateverTheAnswers(t *testing.T) {
	for seed := range uint64(1000) {
		k := newKeeper(t, rand.New(rand.NewPCG(seed, 1)))
		k.run()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
