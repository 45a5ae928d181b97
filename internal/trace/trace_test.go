// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// decides is what steps as a leader does.
type decides interface {
	Step(now time.Time, f leader.Fact, out []leader.Effect) []leader.Effect
}

// term is a leader whose store takes everything, whose workers obey at once, and whose clock is the test's.
type term struct {
	tb      testing.TB
	tape    *Tape
	now     time.Time
	value   decides
	list    []strategy.Partition
	workers []string
	applied int64
	facts   []leader.Fact
	cuts    []string // why the tape was cut
}

// lead begins a term that is recorded. other makes of the leader what is recorded in its place.
func lead(tb testing.TB, r *Recorder, workers, partitions int, other func(decides) decides) *term {
	tb.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cfg := leader.Config{
		Term: 1, Worker: "worker-0", Session: 1, Joined: now, HandoffTimeout: time.Minute, HomeRetention: time.Hour, OperationTimeout: 10 * time.Second,
		Topology: topology.Config{
			ColdStartWindow: 30 * time.Second, PlannedScaleWindow: 10 * time.Second, RestartDetectionRatio: 0.5, MassLossRatio: 0.2,
			HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second, RebalanceCooldown: 10 * time.Second, FlapBackoff: 5 * time.Minute,
		},
	}
	t := &term{tb: tb, now: now}
	for i := range workers {
		t.workers = append(t.workers, fmt.Sprintf("worker-%d", i))
	}
	for i := range partitions {
		t.list = append(t.list, strategy.Partition{Keys: []string{"topic", fmt.Sprintf("%05d", i)}})
	}
	t.tape = Open(r, Leader, now, &cfg, func(why error) { t.cuts = append(t.cuts, why.Error()) })
	l, effects := leader.New(cfg)
	Began(t.tape, effects)
	if t.value = l; other != nil {
		t.value = other(l)
	}
	t.do(effects)
	return t
}

// tell has the leader note a fact, and all that follows from it.
func (t *term) tell(f leader.Fact) {
	t.facts = append(t.facts, f)
	for len(t.facts) > 0 {
		f, t.facts = t.facts[0], t.facts[1:]
		t.do(Step(t.tape, t.now, t.value, f))
	}
}

func (t *term) do(effects []leader.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *leader.Read:
			t.facts = append(t.facts, &leader.Restored{})
		case *leader.List:
			list, err := leader.NewListing(t.list, 0)
			require.NoError(t.tb, err)
			t.facts = append(t.facts, &leader.Listed{List: list})
		case *leader.Follow:
			t.facts = append(t.facts, t.beats()...)
			t.facts = append(t.facts, &leader.Synced{})
		case *leader.Ask:
			p, err := strategy.Ask(strategy.NewSticky(), e.Question)
			t.facts = append(t.facts, leader.Answered(e, p, err))
		case *leader.Write:
			t.applied = e.Plan.Version
			t.facts = append(t.facts, &leader.Written{ID: e.ID})
		}
	}
}

func (t *term) beats() (facts []leader.Fact) {
	for _, w := range t.workers {
		facts = append(facts, &leader.Beat{Worker: w, Session: 1, Applied: t.applied, Capacity: 100, Stored: t.now})
	}
	return facts
}

// pass lets heartbeats come for a while.
func (t *term) pass(d time.Duration) {
	for until := t.now.Add(d); t.now.Before(until); t.now = t.now.Add(2 * time.Second) {
		for _, f := range t.beats() {
			t.tell(f)
		}
		t.tell(&leader.Ticked{})
	}
}

// lived is a term with a cold start, a crash, and a source that changes.
func lived(tb testing.TB, r *Recorder, other func(decides) decides) *term {
	t := lead(tb, r, 4, 30, other)
	t.tell(&leader.RefreshAsked{ID: 1})
	t.pass(40 * time.Second)
	crashed := t.workers[3]
	t.workers = t.workers[:3]
	t.tell(&leader.Gone{Worker: crashed})
	t.pass(20 * time.Second)
	t.list = t.list[:25]
	t.tell(&leader.SourceChanged{})
	t.pass(40 * time.Second)
	return t
}

func written(tb testing.TB, r *Recorder) []byte {
	var b bytes.Buffer
	_, err := r.WriteTo(&b)
	require.NoError(tb, err)
	return b.Bytes()
}

func opened(tb testing.TB, file []byte) (*Trace, []Moment) {
	t, err := Read(bytes.NewReader(file))
	require.NoError(tb, err)
	return t, t.Replay()
}

// differing is the first moment that differs.
func differing(moments []Moment) *Moment {
	for _, m := range moments {
		if m.Differs != "" {
			return &m
		}
	}
	return nil
}

func TestATermDecidesTheSameAgain(t *testing.T) {
	r := NewRecorder(Usual)
	lived(t, r, nil)
	_, moments := opened(t, written(t, r))
	require.Nil(t, differing(moments))
	var did []string
	for _, m := range moments {
		did = append(did, m.Did...)
	}
	all := strings.Join(did, "\n")
	require.Regexp(t, `write version \d{13}, rebalancing, post_cold_start, members worker-0 worker-1 worker-2 worker-3;`, all)
	require.Contains(t, all, "because: emergency: 3 live workers, 4 in the plan before, lost worker-3")
	require.Equal(t, "begins", moments[0].Fact)
	require.Equal(t, []string{"read the records"}, moments[0].Did)
}

// changed is a leader of another release: it does not say how long a cold start takes.
type changed struct{ decides }

func (c changed) Step(now time.Time, f leader.Fact, out []leader.Effect) []leader.Effect {
	for _, e := range c.decides.Step(now, f, nil) {
		if _, is := e.(*leader.Say); !is {
			out = append(out, e)
		}
	}
	return out
}

func TestADecisionThatHasChangedIsSeen(t *testing.T) {
	r := NewRecorder(Usual)
	lived(t, r, func(d decides) decides { return changed{d} })
	_, moments := opened(t, written(t, r))
	m := differing(moments)
	require.NotNil(t, m)
	require.Equal(t, "Synced", m.Fact)
	require.Contains(t, strings.Join(m.Did, "\n"), "say: cold start: waiting up to 30s for more workers")
	require.NotContains(t, strings.Join(m.Recorded, "\n"), "say:")
	require.Equal(t, *m, moments[len(moments)-1], "what follows is another history")
}

// hears notes when it was told what.
type hears struct{ now, since []time.Time }

func (h *hears) Step(now time.Time, f leader.Fact, out []leader.Effect) []leader.Effect {
	h.now, h.since = append(h.now, now), append(h.since, f.(*leader.Blind).Since)
	return out
}

// The two clocks of a process are read one after the other, so their differences are never quite the same.
func TestAValueSeesTheTimesThatAreWrittenDown(t *testing.T) {
	r, now, cfg, h := NewRecorder(Usual), time.Now(), leader.Config{}, &hears{}
	tape := Open(r, Leader, now, &cfg, func(error) {})
	Began[leader.Effect](tape, nil)
	for range 500 {
		Step[leader.Fact](tape, time.Now(), h, leader.Fact(&leader.Blind{Since: time.Now()}))
	}
	tr, err := Read(bytes.NewReader(written(t, r)))
	require.NoError(t, err)
	p := tr.segments[0]
	for i, l := range p.lines {
		var f leader.Blind
		require.NoError(t, (&decoder{epoch: p.epoch}).value(l.Is, reflectOf(&f)))
		require.True(t, p.at(l).Equal(h.now[i].Round(0)))
		require.True(t, f.Since.Equal(h.since[i].Round(0)))
	}
	require.Len(t, p.lines, 500)
}

// What a fact points to is not changed: others may read it at the same time.
func TestAFactSharesWhatItPointsToWithOthers(t *testing.T) {
	for name, told := range map[string]func() (fact any, shared func() time.Time){
		"a list": func() (any, func() time.Time) {
			damped := []record.Damped{{Until: time.Now()}}
			return &leader.Restored{Plan: record.Plan{Damped: damped}}, func() time.Time { return damped[0].Until }
		},
		"a map": func() (any, func() time.Time) {
			left := map[string]time.Time{"worker-0": time.Now()}
			return &leader.LookedUp{Left: left}, func() time.Time { return left["worker-0"] }
		},
		"a lease": func() (any, func() time.Time) {
			l := &store.Lease{Sent: time.Now()}
			return &member.ElectionCampaigned{Lease: l}, func() time.Time { return l.Sent }
		},
	} {
		t.Run(name, func(t *testing.T) {
			tape := Open(NewRecorder(Usual), Leader, time.Now(), &leader.Config{}, func(error) {})
			Began[leader.Effect](tape, nil)
			fact, shared := told()
			before, read := shared(), make(chan bool)
			go func() {
				for range 100 {
					shared()
				}
				close(read)
			}()
			tape.before(time.Now(), fact)
			<-read
			require.Equal(t, before, shared()) // also the reading of the monotonic clock
		})
	}
}

func TestWhatAValuePanicsOverIsReplayed(t *testing.T) {
	r := NewRecorder(Usual)
	term := lived(t, r, nil)
	bug := &leader.LookedUp{Left: map[string]time.Time{"worker-9": {}}}
	term.value = panics{term.value, bug}
	require.Panics(t, func() { term.tell(bug) })
	_, moments := opened(t, written(t, r))
	last := moments[len(moments)-1]
	require.Equal(t, "LookedUp", last.Fact)
	require.Equal(t, "it panicked when it was recorded, and this release does not", last.Differs)
}

type panics struct {
	decides
	over leader.Fact
}

func (p panics) Step(now time.Time, f leader.Fact, out []leader.Effect) []leader.Effect {
	if f == p.over {
		panic("a bug")
	}
	return p.decides.Step(now, f, out)
}

func TestAFullRecorderKeepsWhatCanBeReplayed(t *testing.T) {
	r := NewRecorder(4 * Smallest)
	term := lived(t, r, nil)
	for n := range uint64(7) {
		term.tell(&leader.RefreshAsked{ID: 2 + n}) // the same list again, in another part
		term.pass(20 * time.Minute)
	}
	file := written(t, r)
	require.LessOrEqual(t, r.size.Load(), r.limit)
	require.Greater(t, len(file), 5*int(r.limit), "it is packed")
	tr, moments := opened(t, file)
	require.Greater(t, tr.Dropped, 2)
	require.Nil(t, differing(moments))
	require.Equal(t, "goes on", moments[0].Fact)
	require.Greater(t, len(moments), 50)

	other := bytes.Replace(file, []byte(`"state":{"`), []byte(`"state":{"of another release":1,"`), 1)
	_, moments = opened(t, other)
	require.Equal(t, "this release cannot read the state: leader.Leader has no of another release here", differing(moments).Differs)
	require.Greater(t, len(moments), 50, "the other parts are replayed")
}

// Wherever it is cut, what is left of the state is all of it.
func TestManyTapesShareTheMemoryOfOneRecorder(t *testing.T) {
	r := NewRecorder(256 << 10)
	var terms []*term
	for range 40 {
		terms = append(terms, lead(t, r, 2, 4, nil))
	}
	for range 300 {
		for _, term := range terms {
			term.pass(time.Second)
		}
	}
	if size := r.size.Load(); size > 2*r.limit {
		t.Errorf("%d open tapes take %d bytes, allowed: about %d", len(terms), size, r.limit)
	}
}

func TestAStateIsWholeAfterEveryFact(t *testing.T) {
	r := NewRecorder(1 << 30)
	term := lead(t, r, 4, 30, func(d decides) decides { return &snapped{t: t, l: d.(*leader.Leader)} })
	term.pass(40 * time.Second)
	term.workers = term.workers[:3]
	term.tell(&leader.Gone{Worker: "worker-3"})
	term.list = term.list[:25]
	term.tell(&leader.SourceChanged{})
	term.pass(40 * time.Second)
	_, moments := opened(t, written(t, r))
	require.Nil(t, differing(moments))
}

// snapped goes on with a copy after every fact: a leader that was written down and read again.
type snapped struct {
	t *testing.T
	l *leader.Leader
}

func (s *snapped) Step(now time.Time, f leader.Fact, out []leader.Effect) []leader.Effect {
	out = s.l.Step(now, f, out)
	e := &encoder{epoch: now, most: 1 << 20}
	copied := stepped[leader.Fact, leader.Effect]{&leader.Leader{}}
	e.state(reflectOf(s.l))
	require.NoError(s.t, e.err)
	s.l = copied.of.(*leader.Leader)
	require.NoError(s.t, (&decoder{epoch: now}).state(e.b, reflectOf(s.l)))
	return out
}

func TestAStateThatIsTooLargeCutsTheRecord(t *testing.T) {
	r := NewRecorder(Smallest)
	term := lead(t, r, 2, 400, nil)
	term.pass(10 * time.Minute)
	_, moments := opened(t, written(t, r))
	require.Nil(t, differing(moments))
	last := moments[len(moments)-1]
	require.Contains(t, last.Cut, "too large for the recorder: more than 16384 bytes")
	require.Equal(t, []string{"nothing more is recorded of this leader: " + last.Cut}, term.cuts)
}

func TestAFactThatIsTooLargeCutsTheRecord(t *testing.T) {
	r := NewRecorder(Smallest)
	term := lead(t, r, 2, 4, nil)
	term.tell(&leader.Listed{Err: errors.New(strings.Repeat("x", Smallest))})
	term.pass(time.Minute)
	require.Less(t, r.size.Load(), int64(Smallest))
	_, moments := opened(t, written(t, r))
	require.Nil(t, differing(moments))
	require.Contains(t, moments[len(moments)-1].Cut, "too large for the recorder")
}

// Whoever reads gets whole lines, while several values are recorded.
func TestATraceIsReadWhileItIsWritten(t *testing.T) {
	r := NewRecorder(4 * Smallest)
	var lives sync.WaitGroup
	for range 3 {
		lives.Go(func() { lived(t, r, nil).pass(4 * time.Minute) })
	}
	ended := make(chan struct{})
	go func() {
		lives.Wait()
		close(ended)
	}()
	for over := false; !over; {
		select {
		case <-ended:
			over = true
		default:
		}
		_, moments := opened(t, written(t, r))
		require.Nil(t, differing(moments))
	}
	require.LessOrEqual(t, r.size.Load(), r.limit*3/2)
}

func TestAFileThatIsNoTraceOfThisFormatIsRefused(t *testing.T) {
	r := NewRecorder(Usual)
	lived(t, r, nil)
	file := string(written(t, r))
	_, err := Read(strings.NewReader(strings.Replace(file, `{"trace":1,"version":"`, `{"trace":7,"version":"v9-`, 1)))
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, "it has format 7, allowed: 1; version v9-")
	for _, none := range []string{"", "{}", "hello\n", `{"life":1}` + "\n"} {
		_, err = Read(strings.NewReader(none))
		require.ErrorIs(t, err, ErrFormat, none)
	}
}

func TestATruncatedFileSaysWhereItEnds(t *testing.T) {
	r := NewRecorder(Usual)
	lived(t, r, nil)
	file := written(t, r)
	lines := bytes.SplitAfter(file, []byte("\n"))
	tr, err := Read(bytes.NewReader(bytes.Join(lines[:20], nil)))
	require.ErrorIs(t, err, ErrIncomplete)
	require.ErrorContains(t, err, "it ends after line 20, at 03:04:")
	require.Nil(t, differing(tr.Replay()))
	_, err = Read(bytes.NewReader(append(bytes.Join(lines[:20], nil), lines[20][:10]...)))
	require.ErrorContains(t, err, "it ends within line 21, at 03:04:")
}

// What this release does not know is said, and nothing else of the file is lost.
func TestWhatIsUnknownHereIsSaid(t *testing.T) {
	r := NewRecorder(Usual)
	lived(t, r, nil)
	lead(t, r, 2, 4, nil)
	file := string(written(t, r))
	for was, is := range map[string]string{
		`"fact":"Restored"`: `"fact":"Revealed"`, `"begins":"leader"`: `"begins":"elder"`, `"HandoffTimeout"`: `"HandoverTimeout"`,
		`"Worker":"worker-1"`: `"Wanderer":"worker-1"`,
	} {
		require.Contains(t, file, was)
		_, moments := opened(t, []byte(strings.Replace(file, was, is, 1)))
		m := differing(moments)
		require.NotNil(t, m, is)
		require.Contains(t, m.Differs, "this release ", is)
		require.Equal(t, uint64(2), moments[len(moments)-1].Life, is)
	}
}

// An error of the user's that panics when it is asked for its text harms nobody.
func TestAnErrorWithoutATextIsContained(t *testing.T) {
	r := NewRecorder(Usual)
	term := lived(t, r, nil)
	term.tell(&leader.Listed{Err: mute{errors.New("")}})
	_, moments := opened(t, written(t, r))
	require.Contains(t, moments[len(moments)-1].Told, "its text cannot be made")
}

type mute struct{ error }

func (mute) Error() string { panic("no text") }

// Reading never fails in another way than with an error, whatever is in the file.
func FuzzRead(f *testing.F) {
	r := NewRecorder(Smallest)
	lead(f, r, 2, 2, nil).pass(time.Minute)
	lines := bytes.SplitAfter(written(f, r), []byte("\n"))
	f.Add(bytes.Join(lines[:4], nil))
	f.Add(bytes.Join(lines[:20], nil))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if t, _ := Read(bytes.NewReader(b)); t != nil {
			t.Replay()
		}
	})
}

func BenchmarkBeat(b *testing.B) {
	for name, r := range map[string]*Recorder{"recorded": NewRecorder(Usual), "not recorded": nil} {
		b.Run(name, func(b *testing.B) {
			t := lead(b, r, 100, 1000, nil)
			t.pass(time.Minute)
			beats := t.beats()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				t.now = t.now.Add(20 * time.Millisecond)
				Step(t.tape, t.now, t.value, beats[i%len(beats)])
			}
		})
	}
}

func BenchmarkState(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := lead(b, nil, 100, n, nil)
			t.pass(time.Minute)
			var e *encoder
			for b.Loop() {
				e = &encoder{epoch: t.now, most: 1 << 30}
				e.state(reflectOf(t.value))
			}
			require.NoError(b, e.err)
			b.ReportMetric(float64(len(e.b))/float64(n), "B/partition")
		})
	}
}
