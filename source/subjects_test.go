// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/source"
)

func TestAStreamListsTheSubjectsThatMatch(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		list := func() parti.WatchedSource { return source.Subjects(js, "events", "orders.*.*", 5*time.Second) }
		require.ErrorIs(t, refused(t, list()), jetstream.ErrStreamNotFound)
		stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "events", Subjects: []string{"orders.>", "other.>"}})
		require.NoError(t, err)
		require.ErrorIs(t, refused(t, list()), parti.ErrNoPartitions)
		publish := func(subject string) {
			_, err := js.Publish(t.Context(), subject, nil)
			require.NoError(t, err)
		}
		for _, subject := range []string{"orders.eu.1", "orders.eu.2", "orders.eu.1", "orders.us", "other.eu.1"} {
			publish(subject)
		}
		require.ElementsMatch(t, []string{"orders.eu.1", "orders.eu.2"}, ids(t, list()))

		l := look(t, list())
		l.after(t, time.Second, 1, "it begins")
		publish("orders.eu.1")
		l.after(t, 6*time.Second, 0, "another message of a known subject")
		publish("orders.us.1")
		l.after(t, 5*time.Second, 1, "a new subject")
		require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject("orders.eu.2")))
		l.after(t, 5*time.Second, 1, "one that has no message any more")
		require.NoError(t, js.DeleteStream(t.Context(), "events"))
		l.after(t, time.Minute, 1, "a stream that is away: the leader finds that out")
		l.stop(t)
	})
}

// TestASubjectListIsReadPageByPage: the server tells 100,000 subjects at once.
func TestASubjectListIsReadPageByPage(t *testing.T) {
	if testing.Short() {
		t.Skip("a second of CPU")
	}
	const n = 100_500
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "events", Subjects: []string{"p.*"}, Storage: jetstream.MemoryStorage})
		require.NoError(t, err)
		for i := range n {
			require.NoError(t, js.Conn().Publish(fmt.Sprintf("p.%d", i), nil))
			if i%1000 == 0 {
				require.NoError(t, js.Conn().Flush())
			}
		}
		_, err = js.Publish(t.Context(), "p.last", nil)
		require.NoError(t, err)
		require.Len(t, ids(t, source.Subjects(js, "events", "p.*", time.Minute)), n+1)
	})
}

func TestArgumentsOfAStreamAreChecked(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		for _, c := range []struct {
			s    parti.WatchedSource
			want error
			says string
		}{
			{source.Subjects(nil, "s", "f", time.Second), parti.ErrNilArgument, "js is nil"},
			{source.Subjects(js, "", "f", time.Second), parti.ErrInvalidConfig, "stream"},
			{source.Subjects(js, "s", "", time.Second), parti.ErrInvalidConfig, "filter"},
			{source.Subjects(js, "s", "f", 0), parti.ErrInvalidConfig, "every is 0s, allowed: 1s or more"},
		} {
			err := refused(t, c.s)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "allowed")
			require.ErrorIs(t, c.s.Watch(t.Context(), func() {}), c.want)
		}
	})
}
