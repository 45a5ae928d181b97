// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/dashboards"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestTheBoardIsTheOneThatIsGenerated(t *testing.T) {
	want, err := dashboards.JSON()
	require.NoError(t, err)
	got, err := os.ReadFile("parti.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "parti.json is stale: run go generate in this folder")
}

func TestThePanelsDoNotOverlap(t *testing.T) {
	board, err := dashboards.Board()
	require.NoError(t, err)
	taken, ids := map[string]string{}, map[uint32]bool{}
	for _, p := range board.Panels {
		if p.Panel == nil {
			ids[p.RowPanel.Id] = true
			continue
		}
		title, at := *p.Panel.Title, p.Panel.GridPos
		require.NotContains(t, ids, *p.Panel.Id)
		ids[*p.Panel.Id] = true
		require.NotEmpty(t, *p.Panel.Description, title)
		require.LessOrEqual(t, at.X+at.W, uint32(24), title)
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				cell := fmt.Sprint(x, ",", y)
				require.NotContains(t, taken, cell, "%s and %s", title, taken[cell])
				taken[cell] = title
			}
		}
	}
}

// eventful is a fleet in which everything happens that is measured.
func eventful(t *testing.T) *prometheusOf {
	var p *prometheusOf
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		p = scrape(t, f)
		var failed atomic.Int64
		fails := fleet.Runs(func(ctx context.Context, _ *parti.Ownership) error {
			select {
			case <-time.After(time.Minute):
				failed.Add(1)
				return errors.New("on purpose")
			case <-ctx.Done():
				return nil
			}
		})
		var pods []*pod
		for i := range 3 {
			pods = append(pods, p.start(fmt.Sprintf("orders-%d:9090", i), fails))
		}
		f.Settle(time.Minute)
		pass(2 * time.Minute)
		require.NotZero(t, failed.Load())
		for _, one := range pods {
			if !one.Manager.IsLeader() {
				require.NoError(t, one.Drain(context.Background()))
				break
			}
		}
		f.Settle(time.Minute)
		for _, one := range pods {
			one.Link.Fail(refuses(f.Config().KVBuckets.Heartbeat))
		}
		pass(2 * time.Second)
		for _, one := range pods {
			one.Link.Heal()
		}
		f.Settle(time.Minute)
		pass(30 * time.Second)
		p.end()
	})
	return p
}

// questions are those of the board, of the alerts and of the document, by where they stand.
func questions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	board, err := dashboards.JSON()
	require.NoError(t, err)
	for i, found := range regexp.MustCompile(`"expr": (".*"),\n`).FindAllStringSubmatch(string(board), -1) {
		var plain string
		require.NoError(t, json.Unmarshal([]byte(found[1]), &plain))
		plain = strings.NewReplacer("$__rate_interval", "1m", "$job", ".+", "$group", ".+", "$instance", ".+").Replace(plain)
		require.NotContains(t, plain, "$")
		all[fmt.Sprintf("board %d", i)] = plain
	}
	text, err := os.ReadFile("alerts.yaml")
	require.NoError(t, err)
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), promslog.NewNopLogger())
	require.Empty(t, errs)
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert] = rule.Expr
		}
	}
	document, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	for i, found := range regexp.MustCompile("`([^`]*parti_[^`]*)`").FindAllStringSubmatch(string(document), -1) {
		all[fmt.Sprintf("docs/metrics.md %d", i)] = found[1]
	}
	return all
}

// TestEveryQuestionIsAboutWhatIsMeasured: each metric that it names exists, with each label that it asks for, and each panel of
// the board shows something.
func TestEveryQuestionIsAboutWhatIsMeasured(t *testing.T) {
	p := eventful(t)
	engine := load(t, p.input())
	end := time.Unix(0, 0).UTC().Add(time.Duration(p.n-1) * every)
	engine.WithSamplesTill(end, func(err error) { require.NoError(t, err) })
	known, used := map[string]map[string]bool{}, map[string]bool{}
	for _, series := range p.labels {
		name := series["__name__"]
		if known[name] == nil {
			known[name] = map[string]bool{}
		}
		for label := range series {
			known[name][label] = true
		}
	}
	all := questions(t)
	require.Greater(t, len(all), 30)
	for where, question := range all {
		tree, err := parser.NewParser(parser.Options{}).ParseExpr(question)
		require.NoError(t, err, "%s: %s", where, question)
		asksFor := map[string]bool{}
		parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
			switch n := node.(type) {
			case *parser.VectorSelector:
				require.Contains(t, known, n.Name, "%s: %s", where, question)
				asksFor[n.Name] = true
				for _, m := range n.LabelMatchers {
					require.Contains(t, known[n.Name], m.Name, "%s: %s", where, question)
				}
			case *parser.AggregateExpr:
				for _, selector := range parser.ExtractSelectors(n.Expr) {
					name := selector[slices.IndexFunc(selector, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel })].Value
					for _, label := range n.Grouping {
						require.Contains(t, known[name], label, "%s: %s", where, question)
					}
				}
			}
			return nil
		})
		if strings.HasPrefix(where, "board") {
			maps.Copy(used, asksFor)
			shows := false
			for at := end; !shows && at.After(end.Add(-10*time.Minute)); at = at.Add(-every) {
				shows = len(ask(t, engine, question, at)) > 0
			}
			require.True(t, shows, "nothing to see: %s", question)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		family := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
		require.True(t, used[name] || used[family+"_bucket"], "%s is not on the board", name)
	}
}
