package parti

import "fmt"

// Status is this worker as it is now. It asks nobody and costs as much as a copy of what the worker owns.
func (m *Manager) Status() Status {
	s := m.view.Status()
	s.State = m.State()
	return s
}

// Healthy is nil, or what is stuck and since when: one error for each of Status.Waits, joined, each of which wraps ErrStuck
// and, where there is one, the error of the cause. It is for a liveness probe.
//
// A hook that hangs, a bucket that cannot be followed and a store that does not answer all count, each from its own deadline
// on (HandoffTimeout, HeartbeatTTL, OperationTimeout). A probe that restarts a worker should have more patience than the
// store has outages, because a restart does not end them. A worker that is not started is healthy; one that has ended is
// not: its error is that of Err, or ErrStopped after a clean end.
func (m *Manager) Healthy() error {
	select {
	case <-m.done:
		if err := m.Err(); err != nil {
			return err
		}
		return fmt.Errorf("healthy: %w", ErrStopped)
	default:
		return m.view.Healthy()
	}
}
