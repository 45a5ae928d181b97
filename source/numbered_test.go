// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/source"
)

// ids lists a source.
func ids(t *testing.T, s parti.PartitionSource) (ids []string) {
	t.Helper()
	list, err := s.ListPartitions(t.Context())
	require.NoError(t, err)
	for _, p := range list {
		ids = append(ids, p.ID())
	}
	return ids
}

// refused lists a source that cannot be listed, and returns why.
func refused(t *testing.T, s parti.PartitionSource) error {
	t.Helper()
	list, err := s.ListPartitions(t.Context())
	require.Error(t, err)
	require.Empty(t, list)
	return err
}

func TestNumbersArePaddedToOneWidth(t *testing.T) {
	require.Equal(t, []string{"p.0"}, ids(t, source.Numbered("p", 1)))
	require.Equal(t, []string{"p.0", "p.1", "p.2"}, ids(t, source.Numbered("p", 3)))
	ten := ids(t, source.Numbered("p", 10))
	require.Equal(t, "p.9", ten[9])
	eleven := ids(t, source.Numbered("eu.orders", 11))
	require.Len(t, eleven, 11)
	require.Equal(t, "eu.orders.00", eleven[0])
	require.Equal(t, "eu.orders.10", eleven[10])
	require.Equal(t, []string{"0", "1"}, ids(t, source.Numbered("", 2)))
}

func TestAListOfNumbersMayBeScribbledOn(t *testing.T) {
	s := source.Numbered("a.b", 2)
	list, err := s.ListPartitions(t.Context())
	require.NoError(t, err)
	list[0].Keys[0] = "x"
	require.Equal(t, "a.b.1", list[1].ID())
	require.Equal(t, []string{"a.b.0", "a.b.1"}, ids(t, s))
}

func TestArgumentsOfNumberedAreChecked(t *testing.T) {
	for _, n := range []int{0, -1, 10_000_001} {
		err := refused(t, source.Numbered("p", n))
		require.ErrorIs(t, err, parti.ErrInvalidConfig)
		require.ErrorContains(t, err, "allowed: 1 to 10000000")
	}
	for _, prefix := range []string{"a b", "*", "a..b", "a.", ".a", ">"} {
		err := refused(t, source.Numbered(prefix, 3))
		require.ErrorIs(t, err, parti.ErrInvalidKey, "%q", prefix)
		require.ErrorContains(t, err, "prefix")
	}
}

// announcer says that it has changed whenever it is told to.
type announcer struct {
	parti.PartitionSource
	news chan struct{}
}

func (a announcer) Watch(ctx context.Context, changed func()) error {
	for {
		select {
		case <-a.news:
			changed()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestAVersionedSourceIsWatchedAsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := announcer{source.Numbered("p", 2), make(chan struct{})}
		v := source.Versioned(7, a)
		require.EqualValues(t, 7, v.SourceVersion())
		require.Equal(t, []string{"p.0", "p.1"}, ids(t, v))
		w, watched := v.(parti.WatchedSource)
		require.True(t, watched)
		ctx, cancel := context.WithCancel(t.Context())
		told, ended := make(chan struct{}, 9), make(chan error, 1)
		go func() { ended <- w.Watch(ctx, func() { told <- struct{}{} }) }()
		a.news <- struct{}{}
		<-told
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestAVersionedSourceThatCannotBeWatchedDoesNotPretend(t *testing.T) {
	v := source.Versioned(3, source.Numbered("p", 2))
	_, watched := v.(parti.WatchedSource)
	require.False(t, watched)
	require.EqualValues(t, 3, v.SourceVersion())
	require.ErrorIs(t, refused(t, source.Versioned(3, nil)), parti.ErrNilArgument)
	broken := errors.New("broken")
	fails := parti.SourceFunc(func(context.Context) ([]parti.Partition, error) { return nil, broken })
	require.ErrorIs(t, refused(t, source.Versioned(3, fails)), broken)
}
