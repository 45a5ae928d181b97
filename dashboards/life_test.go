// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// life is what became of a fleet, as the alerts saw it.
type life struct {
	*prometheusOf
	began   time.Time
	faulted time.Duration // when the fault began; 0 for none
	healed  time.Duration // when it was over; 0 for never
	fire    [][]firing
}

// live has a fleet live in virtual time, scraped, and then has the alerts look at that.
func live(t *testing.T, partitions int, story func(l *life), with ...fleet.With) *life {
	l := &life{}
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		l.prometheusOf, l.began = scrape(t, fleet.New(t, s, partitions, with...)), time.Now()
		story(l)
		l.end()
	})
	l.fire = alerts(t, l.input(), l.n)
	if *keep != "" {
		l.write(t, filepath.Join(*keep, strings.ReplaceAll(t.Name(), "/", "-")+".yaml"))
	}
	return l
}

// begin starts n workers, waits until everything has an owner, and lets them live for a while.
func (l *life) begin(n int, with ...fleet.With) (pods []*pod) {
	for i := range n {
		pods = append(pods, l.start(fmt.Sprintf("orders-%d:9090", i), with...))
	}
	l.fleet.Settle(l.fleet.Config().ColdStartWindow + 10*time.Second)
	pass(2 * time.Minute)
	return pods
}

func pass(d time.Duration) { <-time.After(d) }

func (l *life) fault() { l.faulted = time.Since(l.began) }
func (l *life) heal()  { l.healed = time.Since(l.began) }

// leader returns the pod that leads, and one that does not.
func (l *life) leader(pods []*pod) (leads, follows *pod) {
	for _, p := range pods {
		if p.Manager.IsLeader() {
			leads = p
		} else {
			follows = p
		}
	}
	require.NotNil(l.t, leads, "nobody leads")
	return leads, follows
}

// only requires that these alerts fire, each within its time after the fault and not before it, and no other ever. When the fault
// has been over for within, none fires any more.
func (l *life) only(t *testing.T, within time.Duration, expected map[string]time.Duration) {
	t.Helper()
	first := map[string]time.Duration{}
	for n, now := range l.fire {
		at := time.Duration(n) * every
		for _, f := range now {
			require.Contains(t, expected, f.name, "fires after %s, and must not", at)
			require.GreaterOrEqual(t, at, l.faulted, "%s fires before there is a reason", f.name)
			if l.healed > 0 {
				require.Less(t, at, l.healed+within, "%s fires although all is well again", f.name)
			}
			if _, was := first[f.name]; !was {
				first[f.name] = at - l.faulted
			}
			f.isReadable(t)
		}
	}
	for name, allowed := range expected {
		require.Contains(t, first, name, "it does not fire")
		require.LessOrEqual(t, first[name], allowed, "%s fires late", name)
		t.Logf("%s fires %s after the fault", name, first[name])
	}
}

// isReadable requires that a person can do something with the alert.
func (f firing) isReadable(t *testing.T) {
	t.Helper()
	require.Equal(t, "orders", f.labels["job"])
	require.Contains(t, []string{"critical", "warning"}, f.labels["severity"])
	require.Contains(t, f.annotations["summary"], f.labels["parti_group"])
	require.Contains(t, f.annotations["summary"], f.labels["instance"])
	for _, name := range []string{"summary", "description"} {
		text := f.annotations[name]
		require.NotContains(t, text, "no value")
		require.NotContains(t, text, "error expanding")
		require.NotContains(t, text, "  ")
		require.True(t, strings.HasSuffix(text, "."), text)
	}
	_, anchor, _ := strings.Cut(f.annotations["runbook_url"], "docs/troubleshooting.md#")
	require.Equal(t, strings.ToLower(f.name), anchor)
}
