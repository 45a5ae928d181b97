package integration

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// TestAWorkerThatIsCutOffWhileItStopsLetsGoBeforeOthersTakeOver: a hook that is giving up has ShutdownTimeout for it. When
// the leases end meanwhile it has less, because others are given the partitions then: its context has to say so.
func TestAWorkerThatIsCutOffWhileItStopsLetsGoBeforeOthersTakeOver(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.ShutdownTimeout = 40 * time.Second }))
		f.Begin(2)
		stopping := f.Start(1, fleet.Handler(func(ctx context.Context, _, removed []parti.Partition) error {
			if len(removed) > 0 {
				select {
				case <-time.After(30 * time.Second):
				case <-ctx.Done():
				}
			}
			return nil
		}))[0]
		f.Settle(window + 11*time.Second)
		<-time.After(time.Minute)
		had := stopping.Running()
		require.NotEmpty(t, had)
		go func() { _ = stopping.Stop() }()
		<-time.After(500 * time.Millisecond)
		stopping.Link.Cut()
		f.Wait(heartbeatTTL, "the hook returns", func() bool { return len(stopping.Running()) == 0 })
		f.Wait(heartbeatTTL, "others run what it had", func() bool { return f.Checker.Complete(f.Source.IDs()) == nil })
		require.Zero(t, f.Checker.Excused())
	})
}
