// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/fsm/internal/gen/docs"
)

func events() []fsm.Event {
	var events []fsm.Event
	for _, t := range fsm.Transitions() {
		if !slices.Contains(events, t.Event) {
			events = append(events, t.Event)
		}
	}
	return events
}

// target is the model: where the table says that an event leads.
func target(from fsm.State, event fsm.Event) (fsm.State, bool) {
	for _, t := range fsm.Transitions() {
		if t.Event == event && slices.Contains(t.From, from) {
			return t.To, true
		}
	}
	return from, false
}

// reach returns a machine in a state, led there over the table.
func reach(t *testing.T, state fsm.State) *fsm.Machine {
	t.Helper()
	type path struct {
		at     fsm.State
		events []fsm.Event
	}
	queue := []path{{at: fsm.Init}}
	for seen := map[fsm.State]bool{}; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		if p.at == state {
			m := fsm.New()
			for _, e := range p.events {
				_, _, err := m.Fire(e)
				require.NoError(t, err)
			}
			return m
		}
		if seen[p.at] {
			continue
		}
		seen[p.at] = true
		for _, e := range events() {
			if to, ok := target(p.at, e); ok {
				queue = append(queue, path{to, append(slices.Clone(p.events), e)})
			}
		}
	}
	t.Fatalf("no way to %s", state)
	return nil
}

func TestTheTableIsSound(t *testing.T) {
	require.NoError(t, fsm.Validate())
	require.Len(t, fsm.States(), 9)
	for _, row := range fsm.Transitions() {
		require.NotEmpty(t, row.Why)
	}
}

func TestEveryEventInEveryStateDoesWhatTheTableSays(t *testing.T) {
	for _, state := range fsm.States() {
		for _, event := range events() {
			m := reach(t, state)
			want, allowed := target(state, event)
			require.Equal(t, allowed, m.Can(event))
			from, to, err := m.Fire(event)
			require.Equal(t, state, from)
			require.Equal(t, want, to)
			require.Equal(t, want, m.State())
			if allowed {
				require.NoError(t, err)
				require.True(t, fsm.Allowed(from, to))
				continue
			}
			require.ErrorIs(t, err, fsm.ErrNotAllowed)
			require.ErrorContains(t, err, event.String())
			require.ErrorContains(t, err, state.String())
		}
	}
}

func TestRandomWalksFollowTheModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		m, model := fsm.New(), fsm.Init
		for range 200 {
			event := events()[rng.IntN(len(events()))]
			_, _, _ = m.Fire(event)
			model, _ = target(model, event)
			require.Equal(t, model, m.State(), "seed %d", seed)
		}
	}
}

func TestTheDrawingsShowTheRowsAndNothingElse(t *testing.T) {
	want := map[string]bool{}
	for _, row := range fsm.Transitions() {
		for _, from := range row.From {
			want[fmt.Sprint(from, row.To, row.Event)] = true
		}
	}
	for name, pattern := range map[string]string{
		fsm.Mermaid(): `(?m)^    (\w+) --> (\w+): (\w+)$`,
		fsm.DOT():     `(?m)^    (\w+) -> (\w+) \[label="(\w+)"\]$`,
	} {
		got := map[string]bool{}
		for _, edge := range regexp.MustCompile(pattern).FindAllStringSubmatch(name, -1) {
			got[edge[1]+edge[2]+edge[3]] = true
		}
		require.Equal(t, want, got)
	}
	require.NotContains(t, fsm.Mermaid(fsm.Compact()), "--> Shutdown:")
	_, afterEnd, _ := strings.Cut(fsm.Mermaid(fsm.Compact()), "    Shutdown --> [*]\n")
	require.Contains(t, afterEnd, "note right of Shutdown", "Mermaid 11 refuses a note before the first edge of its state")
	require.Contains(t, fsm.Mermaid(fsm.Mark(fsm.Stable)), "class Stable present")
}

func TestTheDocumentsAreNotStale(t *testing.T) {
	files, err := docs.Files("..")
	require.NoError(t, err)
	drawn := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, docs.Refresh(string(text)), string(text), "%s is stale: run task graph", file)
		drawn = drawn || strings.HasSuffix(file, "concepts.md") && strings.Contains(string(text), docs.Begin("fsm:mermaid"))
	}
	require.True(t, drawn, "docs/concepts.md has no generated drawing")
}

func ExampleMachine_Fire() {
	m := fsm.New()
	from, to, _ := m.Fire(fsm.EventStart)
	fmt.Println(from, "->", to)
	_, _, err := m.Fire(fsm.EventRebalanceDone)
	fmt.Println(err)
	// Output:
	// Init -> ClaimingID
	// event not allowed in this state: event RebalanceDone in state ClaimingID
}

func BenchmarkFire(b *testing.B) {
	m := fsm.New()
	for _, e := range []fsm.Event{fsm.EventStart, fsm.EventClaimed, fsm.EventLeaderKnown, fsm.EventAssigned} {
		_, _, _ = m.Fire(e)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = m.Fire(fsm.EventWindowOpened)
		_, _, _ = m.Fire(fsm.EventWindowUndone)
	}
}
