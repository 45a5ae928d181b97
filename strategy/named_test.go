// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

func TestADescriptionNamesTheStrategyItDescribes(t *testing.T) {
	for text, s := range map[string]strategy.Strategy{
		"sticky": strategy.NewSticky(), "hash": strategy.NewConsistentHash(), "roundrobin": strategy.NewRoundRobin(), "rendezvous": strategy.NewRendezvous(),
		"hash(bound=1.05,nodes=20)":           strategy.NewConsistentHash(strategy.WithLoadBound(1.05), strategy.WithVirtualNodes(20)),
		`zoned(sticky,"zone")`:                strategy.NewZoned(strategy.NewSticky(), "zone"),
		`zoned(hash(bound=2,nodes=7),"a,)b")`: strategy.NewZoned(strategy.NewConsistentHash(strategy.WithLoadBound(2), strategy.WithVirtualNodes(7)), "a,)b"),
		`zoned(zoned(sticky,"rack"),"zone")`:  strategy.NewZoned(strategy.NewZoned(strategy.NewSticky(), "rack"), "zone"),
	} {
		require.Equal(t, text, strategy.Describe(s))
		named, err := strategy.Named(text)
		require.NoError(t, err, text)
		require.Equal(t, s, named, text)
	}
	typed, err := strategy.Named(" zoned(hash( bound=2 ), zone) ")
	require.NoError(t, err)
	require.Equal(t, `zoned(hash(bound=2),"zone")`, strategy.Describe(typed))
}

func TestWhatNamesNoStrategyIsAnError(t *testing.T) {
	for _, text := range []string{
		"", "Sticky", "sticky()", "sticky(1)", "hash(", "hash(bound)", "hash(bound=1.1,)", "hash(bound=x)", "hash(nodes=1.5)", "zoned", "zoned(sticky)",
		"zoned(nothing,zone)", `zoned(sticky,"")`, "zoned(sticky,)", "pinned(sticky,3 pins)", `pools(sticky,"pool")`, "*main.mine",
	} {
		_, err := strategy.Named(text)
		require.ErrorIs(t, err, strategy.ErrUnknownStrategy, text)
		require.ErrorContains(t, err, "allowed: sticky")
	}
	for _, text := range []string{"hash(bound=1)", "hash(nodes=0)", "zoned(hash(bound=NaN),zone)"} {
		_, err := strategy.Named(text)
		require.ErrorIs(t, err, strategy.ErrInvalidOption, text)
	}
}

// TestALongDescriptionIsRefusedAtOnce: a text from outside is not worth seconds, nor is it quoted in full.
func TestALongDescriptionIsRefusedAtOnce(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("zoned(", n) + "sticky" + strings.Repeat(",a)", n) }
	_, err := strategy.Named(nested(110))
	require.NoError(t, err, "it has %d bytes", len(nested(110)))
	for _, text := range []string{nested(111), nested(20_000), strings.Repeat("\xff", 2000)} {
		_, err := strategy.Named(text)
		require.ErrorIs(t, err, strategy.ErrUnknownStrategy)
		require.ErrorContains(t, err, "more than 1000")
		require.Less(t, len(err.Error()), 1200)
	}
}

// spoken is a strategy from elsewhere that describes itself.
type spoken struct {
	strategy.Strategy
	say func() string
}

func (s spoken) String() string { return s.say() }

func TestAStrategyFromElsewhereIsDescribedWhateverItSays(t *testing.T) {
	require.Equal(t, "none", strategy.Describe(nil))
	require.Equal(t, "strategy_test.broken", strategy.Describe(broken{}))
	require.Equal(t, "mine", strategy.Describe(spoken{say: func() string { return "mine" }}))
	require.Contains(t, strategy.Describe(spoken{say: func() string { panic("boom") }}), "boom")
	long := strategy.Describe(spoken{say: func() string { return "x" + strings.Repeat("ü", 1000) + "\xff" }})
	require.LessOrEqual(t, len(long), 200)
	require.True(t, strings.HasSuffix(long, "ü…"), long)
	require.Equal(t, "pinned(sticky,1 pins)", strategy.Describe(strategy.NewPinned(strategy.NewSticky(), map[string]string{"p": "w"})))
	require.Equal(t, `pools(none,"pool")`, strategy.Describe(strategy.NewPools(nil, "pool", nil)))
}
