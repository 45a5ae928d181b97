// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/observe"
)

// What these tests start must have ended when they return: a goroutine that is left makes the bubble fail.

func watched(v view) *handler { return (&handler{view: v, log: quiet()}).prepare() }

// inside says how many read, and what works for them. A test that fails must not keep the lock.
func inside(h *handler) (readers int, works *run) {
	h.feed.mu.Lock()
	defer h.feed.mu.Unlock()
	return len(h.feed.readers), h.feed.run
}

func get(t *testing.T, client *http.Client, url string) []byte {
	t.Helper()
	res, err := client.Get(url) //nolint:noctx // it is answered at once
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return body
}

func TestAReaderHasWhatGroupJSONHasWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chance{rand.New(rand.NewPCG(1, 2))}
		g := c.group()
		v := newFakeView(g)
		client := serveOver(t, watched(v), nil)
		s := stream1(t, client, "http://web/events")
		var r replica
		r.begin(s.must("group"))
		deltas := 0
		for range 200 {
			for range 1 + c.IntN(3) {
				g = c.change(g)
				v.set(g)
				if c.IntN(3) == 0 {
					<-time.After(time.Duration(c.IntN(150)) * time.Millisecond)
				}
			}
			whole := get(t, client, "http://web/group.json")
			for r.seq < decoded(t, whole)["seq"].(float64) {
				require.NoError(t, r.apply(s.must("delta")))
				deltas++
			}
			r.require(t, whole)
		}
		require.Greater(t, deltas, 200)
	})
}

func TestChangesThatComeTogetherAreToldTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sized(2, 10)
		v := newFakeView(g)
		s := stream1(t, serveOver(t, watched(v), nil), "http://web/events")
		s.must("group")
		<-time.After(time.Second)
		began := time.Now()
		change := func(unowned int) {
			g.Unowned = unowned
			v.set(g)
			synctest.Wait()
		}
		change(1)
		require.EqualValues(t, 1, s.must("delta")["unowned"])
		require.Zero(t, time.Since(began), "the first is told at once")
		for i := 2; i < 50; i++ {
			change(i)
			<-time.After(time.Millisecond)
		}
		require.EqualValues(t, 49, s.must("delta")["unowned"])
		require.Equal(t, pace, time.Since(began))
	})
}

func TestAReaderThatTakesNothingIsSentAwayAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sized(2, 2000) // more than any buffer on the way takes
		v := newFakeView(g)
		h := watched(v)
		client := serveOver(t, h, nil)
		slow := stream1(t, client, "http://web/events")
		quick := stream1(t, client, "http://web/events")
		quick.must("group")
		began := time.Now()
		for i := range backlog + 2 {
			g.Unowned = i + 1
			v.set(g)
			require.EqualValues(t, i+1, quick.must("delta")["unowned"])
		}
		require.Less(t, time.Since(began), writePatience, "nobody has waited for the slow one")
		readers, _ := inside(h)
		require.Equal(t, 1, readers)
		<-time.After(writePatience)
		synctest.Wait()
		for ok := true; ok; { // what was on its way
			_, ok = slow.next()
		}
		again := stream1(t, client, "http://web/events")
		require.EqualValues(t, backlog+2, again.must("group")["unowned"])
	})
}

func TestASilentStreamSaysThatItLivesAndOutlivesTheServersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sized(1, 1)
		v := newFakeView(g)
		client := serveOver(t, watched(v), func(s *http.Server) { s.WriteTimeout, s.ReadTimeout = 5*time.Second, 5*time.Second })
		s := stream1(t, client, "http://web/events")
		s.must("group")
		time.AfterFunc(time.Minute+time.Second, func() {
			g.Unowned = 1
			v.set(g)
		})
		s.must("delta")
		require.Equal(t, 4, s.beats)
	})
}

func TestStreamsEndWithTheObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newFakeView(sized(1, 1))
		client := serveOver(t, watched(v), nil)
		s, other := stream1(t, client, "http://web/events"), stream1(t, client, "http://web/events")
		s.must("group")
		other.must("group")
		close(v.done)
		_, ok := s.next()
		require.False(t, ok)
		_, ok = other.next()
		require.False(t, ok)
		res, err := client.Get("http://web/events") //nolint:noctx // it is answered at once
		require.NoError(t, err)
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.Contains(t, string(body), "the observer is closed")
	})
}

func TestNothingRunsWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newFakeView(sized(1, 1))
		h := watched(v)
		client := serveOver(t, h, nil)
		for range 3 {
			s := stream1(t, client, "http://web/events")
			s.must("group")
			_, run := inside(h)
			require.NotNil(t, run)
			s.close()
			synctest.Wait()
			_, now := inside(h)
			require.Nil(t, now)
			run.work.Wait()
		}
	})
}

func TestAReaderBeginsWithWhatHasHappenedWhileNobodyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sized(1, 1)
		v := newFakeView(g)
		client := serveOver(t, watched(v), nil)
		get(t, client, "http://web/group.json")
		for unowned := 1; unowned < 4; unowned++ {
			g.Unowned = unowned
			v.set(g)
			s := stream1(t, client, "http://web/events")
			require.EqualValues(t, unowned, s.must("group")["unowned"])
			s.close()
			synctest.Wait()
		}
	})
}

func TestReadersThatComeAndGoLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chance{rand.New(rand.NewPCG(3, 4))}
		g := c.group()
		v := newFakeView(g)
		h := watched(v)
		client := serveOver(t, h, nil)
		waits := make([]time.Duration, 40)
		for i := range waits {
			waits[i] = time.Duration(c.IntN(2000)) * time.Millisecond
		}
		var readers sync.WaitGroup
		for _, wait := range waits {
			readers.Go(func() {
				<-time.After(wait)
				ctx, cancel := context.WithTimeout(t.Context(), wait/2+time.Millisecond)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://web/events", nil)
				if err != nil {
					panic(err)
				}
				if res, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			})
		}
		for range 300 {
			g = c.change(g)
			v.set(g)
			<-time.After(10 * time.Millisecond)
		}
		readers.Wait()
		synctest.Wait()
		left, run := inside(h)
		require.Zero(t, left)
		require.Nil(t, run)
	})
}

func TestThereIsAMostOfReaders(t *testing.T) {
	f := newFeed(newFakeView(sized(1, 1)), quiet())
	var readers []*reader
	for range mostReaders {
		r, _, err := f.join()
		require.NoError(t, err)
		readers = append(readers, r)
	}
	_, _, err := f.join()
	require.ErrorIs(t, err, errTooManyReaders)
	f.leave(readers[0])
	r, _, err := f.join()
	require.NoError(t, err)
	for _, r := range append(readers[1:], r) {
		f.leave(r)
	}
	require.Nil(t, f.run)
}

func TestWhatIsNewInTheJournalIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sized(2, 10)
		v := newFakeView(g)
		plan := func(version int64, at int) {
			v.mu.Lock()
			for i := range 2 {
				v.changes = append(v.changes, observe.Change{
					At: time.Unix(int64(at), 0), Partition: fmt.Sprintf("orders.%d", i), To: "worker-1", Version: version, Why: "it joined",
				})
			}
			v.mu.Unlock()
			g.Plan.Version, g.Plan.Stored = version, time.Unix(int64(at), 0)
			v.set(g)
		}
		plan(12, 100)
		s := stream1(t, serveOver(t, watched(v), nil), "http://web/events")
		s.must("group")
		changes := func() (versions []int64) {
			e, ok := s.next()
			require.True(t, ok)
			require.Equal(t, "change", e.kind)
			for _, c := range decoded(t, []byte(`{"list":`+e.data+"}"))["list"].([]any) {
				versions = append(versions, int64(c.(map[string]any)["version"].(float64)))
			}
			return versions
		}
		plan(13, 101)
		s.must("delta")
		require.Equal(t, []int64{13, 13}, changes(), "not what was there before")
		plan(14, 101)
		s.must("delta")
		require.Equal(t, []int64{14, 14}, changes(), "stored in the same second")
		v.mu.Lock()
		since := v.queries[len(v.queries)-1].Since
		v.failing = errTest
		v.mu.Unlock()
		require.Equal(t, time.Unix(101, 0), since, "no more than needed is asked for")
		plan(15, 102)
		s.must("delta")
		time.AfterFunc(time.Second, func() {
			v.mu.Lock()
			v.failing = nil
			v.mu.Unlock()
		})
		began := time.Now()
		require.Equal(t, []int64{15, 15}, changes(), "the store has not answered at once")
		require.Equal(t, journalRetry, time.Since(began))

		g.Workers = slices.Clone(g.Workers)
		g.Workers[0].Leaving = true
		synctest.Wait()
		asked := len(v.queries)
		v.set(g)
		s.must("delta")
		<-time.After(time.Second)
		require.Len(t, v.queries, asked, "the plan is the same: there is nothing to ask for")
	})
}
