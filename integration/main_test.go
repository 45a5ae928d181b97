package integration

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain has the garbage collected less often. A fleet and its server in one process allocate all the time and keep little,
// and virtual time makes that the better part of what a test costs.
func TestMain(m *testing.M) {
	debug.SetGCPercent(300)
	os.Exit(m.Run())
}
