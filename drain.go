package parti

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/parti-go/parti/actors"
)

// Drain leaves the group without a pause in the work, for good: for a scale-in. A restart is a Stop, which keeps the place.
//
// The worker says that it leaves and goes on. The leader plans without it at once and hands over what it has, each partition
// as soon as its handler has let go of it; the worker is given nothing new. When it has nothing left it stops, as Stop does,
// and Drain returns nil. Nobody waits for its return. A worker that waits for its first assignment just stops.
//
// Where the drain cannot end before ctx does, it is a Stop from then on, which takes up to ShutdownTimeout; Drain returns
// after that, with an error that wraps ErrDrainIncomplete and says what was left. So it is where nobody can take the work,
// because this is the last worker or all others drain as well (workers that are cordoned take it where nobody else is left);
// where a handler does not let go; and where the store or a leader is away. Without a deadline in ctx it goes on until
// somebody can take over.
//
// Called again it waits for the same end. A Stop meanwhile ends the drain. From inside a hook call it on a goroutine of its
// own: OnAssignmentChanged would wait for itself until ctx ends, and any other hook delays the end by ShutdownTimeout.
func (m *Manager) Drain(ctx context.Context) error {
	if m.endUnstarted() {
		return nil
	}
	m.send(&actors.Drain{})
	var late error
	select {
	case <-m.done:
	case <-ctx.Done():
		late = context.Cause(ctx)
		m.leave()
		<-m.done // bounded, see Stop
	}
	why := m.undrained(late)
	switch err := m.Err(); {
	case err != nil && why != nil:
		return fmt.Errorf("drain: %w; then: %w", why, err)
	case err != nil:
		return fmt.Errorf("drain: %w", err)
	case why != nil:
		return fmt.Errorf("drain: %w", why)
	}
	return nil
}

// undrained says what a drain that has ended has not handed over; late is why it became a Stop, nil where somebody else
// stopped the worker, or where it ended by itself.
func (m *Manager) undrained(late error) error {
	left := m.view.Undrained()
	switch {
	case len(left) > 0:
		return fmt.Errorf("%w: %d partitions were left when it became a Stop: %s: %w", ErrDrainIncomplete, len(left), firstOf(left), cmp.Or(late, ErrStopped))
	case late != nil && !m.view.Drained(): // it was fenced, and others take over when its heartbeat has expired
		return fmt.Errorf("%w: everything had to be given up before it was handed over: %w", ErrDrainIncomplete, late)
	}
	return nil
}

// Cordon has this worker take nothing new from now on; it keeps what it has. Its heartbeat says so at once, and the leader
// heeds it in every plan that it makes from then on: what is on its way to this worker still arrives. It lasts over rejoins.
// Called before Start it is how the worker begins. Where every worker is cordoned, none counts as such. It may be called from
// a hook.
func (m *Manager) Cordon() { m.cordon(true) }

// Uncordon takes Cordon, or Config.Cordoned, back: the worker gets its share with the next planned window.
func (m *Manager) Uncordon() { m.cordon(false) }

func (m *Manager) cordon(cordoned bool) {
	m.mu.Lock()
	if !m.started {
		m.view.Begin(cordoned)
	}
	m.mu.Unlock()
	if cordoned {
		m.send(&actors.Cordon{})
	} else {
		m.send(&actors.Uncordon{})
	}
}

// firstOf names the first few partitions of a list.
func firstOf(list []Partition) string {
	const most = 5
	var names []string
	for _, p := range list[:min(len(list), most)] {
		names = append(names, p.ID())
	}
	text := strings.Join(names, ", ")
	if len(list) > most {
		text = fmt.Sprintf("%s and %d more", text, len(list)-most)
	}
	return text
}
