package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store/model"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// settle lets time pass until everything has an owner.
func settle(t *testing.T, f *Fleet, within time.Duration) time.Duration {
	t.Helper()
	began := f.Now()
	for f.Missing() > 0 && f.Now().Sub(began) < within {
		f.Run(f.Now().Add(10 * time.Millisecond))
	}
	require.Empty(t, f.Broken)
	require.Zero(t, f.Missing(), "partitions without an owner after %s", within)
	return f.Now().Sub(began)
}

func TestAFleetStartsLosesItsLeaderAndLeaves(t *testing.T) {
	f := NewFleet(NewLoop(1, model.Config{Start: start}, model.Benign{}), Defaults(5, 60))
	if testing.Verbose() {
		f.Trace = func(now time.Time, line string) { t.Log(now.Format("15:04:05.000"), line) }
	}
	for range 5 {
		f.Start()
	}
	t.Logf("everything has an owner after %s", settle(t, f, time.Minute))
	require.Equal(t, 1, f.Leaders())
}
