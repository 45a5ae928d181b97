// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package partitest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

// book notes what a handler sees.
type book struct {
	mu   sync.Mutex
	runs map[string][]int64 // epochs, by partition
	ends map[string][]error // causes
	now  map[string]int     // handlers that run
	most int                // of one partition at once
}

func newBook() *book {
	return &book{runs: map[string][]int64{}, ends: map[string][]error{}, now: map[string]int{}}
}

// Run is an obedient handler.
func (b *book) Run(ctx context.Context, o *parti.Ownership) error {
	id := o.Partition().ID()
	b.mu.Lock()
	b.runs[id] = append(b.runs[id], o.Epoch())
	b.now[id]++
	b.most = max(b.most, b.now[id])
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends[id] = append(b.ends[id], context.Cause(ctx))
	b.now[id]--
	return nil
}

func (b *book) read(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// everywhere runs a test in real time and in virtual time.
func everywhere(t *testing.T, test func(t *testing.T)) {
	t.Run("real time", test)
	t.Run("virtual time", func(t *testing.T) { synctest.Test(t, test) })
}

func TestGrantedPartitionsAreHandledUntilTheyAreTakenBack(t *testing.T) {
	everywhere(t, func(t *testing.T) {
		b := newBook()
		w := New(t, b, WithWorkerID("w-7"))
		owned := w.Grant("city.oslo", "city.rome")
		require.Len(t, owned, 2)
		require.Equal(t, "city.oslo", owned[0].Partition().ID())
		require.Equal(t, "w-7", owned[0].WorkerID())
		require.Less(t, owned[0].Epoch(), owned[1].Epoch())
		require.NoError(t, owned[0].Valid())
		w.Revoke("city.oslo")
		require.Equal(t, []string{"city.rome"}, w.Owned())
		require.ErrorIs(t, owned[0].Valid(), parti.ErrRevoked)
		require.NoError(t, owned[1].Valid())
		w.Unlist("city.rome")
		again := w.Grant("city.rome")[0]
		require.Greater(t, again.Epoch(), owned[1].Epoch())
		w.Stop()
		require.Empty(t, w.Owned())
		b.read(func() {
			require.Equal(t, []error{parti.ErrRevoked}, b.ends["city.oslo"])
			require.Equal(t, []error{parti.ErrUnlisted, parti.ErrStopping}, b.ends["city.rome"])
		})
	})
}

func TestAGrantOfWhatIsOwnedIsANewEpoch(t *testing.T) {
	everywhere(t, func(t *testing.T) {
		b := newBook()
		w := New(t, b)
		first := w.Grant("a")[0]
		second := w.Grant("a")[0]
		require.Greater(t, second.Epoch(), first.Epoch())
		b.read(func() {
			require.Equal(t, []int64{first.Epoch(), second.Epoch()}, b.runs["a"])
			require.Equal(t, []error{parti.ErrRevoked}, b.ends["a"])
			require.Equal(t, 1, b.most)
		})
	})
}

func TestAFenceEndsEverythingAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T) {
		var held error
		w := New(t, parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
			<-ctx.Done()
			held = context.Cause(o.Held())
			return nil
		}))
		o := w.Grant("a")[0]
		w.Fence("a")
		w.Await()
		require.ErrorIs(t, o.Valid(), parti.ErrFenced)
		require.ErrorIs(t, held, parti.ErrFenced)
		require.Empty(t, w.Owned())
	})
}

func TestHeldOutlivesARevoke(t *testing.T) {
	everywhere(t, func(t *testing.T) {
		var valid error
		w := New(t, parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
			<-ctx.Done()
			valid = o.Valid()
			return nil
		}))
		w.Grant("a")
		w.Revoke("a")
		require.NoError(t, valid, "what has begun may be finished")
	})
}

// table is a store of a user's that refuses older epochs.
type table struct {
	mu    sync.Mutex
	epoch int64
	rows  []string
}

var errStale = errors.New("stale epoch")

func (s *table) put(epoch int64, row string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch < s.epoch {
		return errStale
	}
	s.epoch, s.rows = epoch, append(s.rows, row)
	return nil
}

func TestAnOverlapShowsWhetherStaleWritesBounce(t *testing.T) {
	everywhere(t, func(t *testing.T) {
		b := newBook()
		w := New(t, b)
		w.Grant("b") // goes on all the while
		stale, fresh := w.Overlap("a")
		require.NoError(t, stale.Valid(), "it does not know")
		require.NoError(t, fresh.Valid())
		require.Greater(t, fresh.Epoch(), stale.Epoch())
		require.NotEqual(t, fresh.WorkerID(), stale.WorkerID())
		b.read(func() { require.Equal(t, 2, b.now["a"]) })
		buckets := &table{}
		require.NoError(t, buckets.put(fresh.Epoch(), "fresh"))
		require.ErrorIs(t, buckets.put(stale.Epoch(), "stale"), errStale)
		w.Fence("a")
		w.Await("a")
		require.ErrorIs(t, stale.Valid(), parti.ErrFenced)
		require.NoError(t, fresh.Valid(), "the successor works on")
		require.Equal(t, []string{"a", "b"}, w.Owned())
		_, third := w.Overlap("a")
		require.Greater(t, third.Epoch(), fresh.Epoch())
		w.Revoke("a")
		require.NoError(t, fresh.Valid(), "that one is stale now, and has not been told")
		require.ErrorIs(t, third.Valid(), parti.ErrRevoked)
	})
}

func TestAHandlerThatFailsIsCalledAgain(t *testing.T) {
	everywhere(t, func(t *testing.T) {
		calls := make(chan int64, 10)
		first := true
		w := New(t, parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
			calls <- o.Epoch()
			if first {
				first = false
				panic("once")
			}
			<-ctx.Done()
			return nil
		}), WithRestartBackoff(time.Millisecond, time.Millisecond))
		w.Grant("a")
		require.Equal(t, <-calls, <-calls, "the same epoch")
		require.Len(t, w.Errors(), 1)
		require.ErrorIs(t, w.Errors()[0], parti.ErrHandlerFailed)
		require.ErrorIs(t, w.Errors()[0], parti.ErrPanic)
	})
}

// failures is a testing.TB that only notes what fails.
type failures struct {
	testing.TB
	mu   sync.Mutex
	said []string
	ends []func()
}

func (f *failures) Helper()            {}
func (f *failures) Cleanup(end func()) { f.ends = append(f.ends, end) }
func (f *failures) Errorf(format string, _ ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, format)
}

func (f *failures) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(f)
}

func TestADeafHandlerFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		f := &failures{TB: t}
		w := New(f, parti.HandlerFunc(func(context.Context, *parti.Ownership) error { <-free; return nil }))
		w.Grant("a")
		began := time.Now()
		w.Revoke("a")
		require.Equal(t, 10*time.Second, time.Since(began).Round(time.Second))
		require.Len(t, f.said, 1)
		require.Contains(t, f.said[0], "have not returned")
		close(free)
		w.Await("a")
		f.ends[0]()
		require.Len(t, f.said, 1)
	})
}

func TestWrongUseIsSaid(t *testing.T) {
	for name, wrong := range map[string]func(w *Worker){
		"no ID":        func(w *Worker) { w.Grant("") },
		"twice":        func(w *Worker) { w.Grant("a", "a") },
		"not owned":    func(w *Worker) { w.Revoke("a") },
		"not to fence": func(w *Worker) { w.Fence("a") },
		"a wildcard":   func(w *Worker) { w.Overlap("a.*") },
	} {
		t.Run(name, func(t *testing.T) {
			f := &failures{TB: t}
			w := New(f, newBook())
			require.PanicsWithValue(t, f, func() { wrong(w) })
			require.Len(t, f.said, 1)
		})
	}
	f := &failures{TB: t}
	require.Panics(t, func() { New(f, nil) })
	require.Panics(t, func() { New(f, parti.HandlerFunc(nil)) })
}
