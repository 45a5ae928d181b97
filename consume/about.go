// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// freshFor is how long what the server said about a stream is used again: workers begin many partitions at once.
	freshFor = time.Second
	// answerWithin bounds one question about a stream. A cluster that has no leader for the stream does not answer at all, and
	// a moment later it has one.
	answerWithin = 2 * time.Second
)

// answered is what the server said about a stream, or why it said nothing, and when.
type answered struct {
	info *jetstream.StreamInfo
	err  error
	at   time.Time
}

// about asks the server about a stream, or returns what it said a moment ago, if that was after since.
func (h *handler) about(ctx context.Context, stream string, since time.Time) (*jetstream.StreamInfo, error) {
	select {
	case h.asking <- struct{}{}:
		defer func() { <-h.asking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if a, ok := h.infos[stream]; ok && a.at.After(since) && time.Since(a.at) < freshFor {
		return a.info, a.err
	}
	at := time.Now()
	asking, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s, err := bounded(asking, h.client.nc, func(ctx context.Context) (jetstream.Stream, error) { return h.client.js.Stream(ctx, stream) })
	switch {
	case err == nil:
		h.infos[stream] = answered{s.CachedInfo(), nil, at}
		return s.CachedInfo(), nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, fmt.Errorf("%w: stream %q does not exist", ErrStream, stream)
	}
	err = fmt.Errorf("ask about stream %q: %w", stream, err)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) { // those whose turn is next need not bear the same silence again
		h.infos[stream] = answered{nil, err, time.Now()}
	}
	return nil, err
}

// known asks about a stream until the server answers, for as long as patience allows. made says that the stream exists: a
// server that does not know it yet is asked again.
func (h *handler) known(ctx context.Context, stream string, made bool) (*jetstream.StreamInfo, error) {
	again := pauses{pauseFirst, pauseMost}
	for deadline := time.Now().Add(patience); ; {
		info, err := h.about(ctx, stream, time.Time{})
		if err == nil || errors.Is(err, ErrStream) && !made {
			return info, err
		}
		if time.Now().After(deadline) || !again.wait(ctx) {
			return nil, err
		}
	}
}

// input checks the stream that is read, and that a partition's filter can match something in it.
func (h *handler) input(ctx context.Context, subject string) (*jetstream.StreamInfo, error) {
	info, err := h.known(ctx, h.cfg.Stream, false)
	if err != nil {
		return nil, err
	}
	return info, errors.Join(h.fit(info), matches(info.Config, subject))
}

// unchanged says whether the stream still is the one that a position belongs to. What was heard before now may be older than
// the position, and just after a change of its leader a stream can look older than it is: so it is asked again, for a while.
func (h *handler) unchanged(ctx context.Context, created time.Time, position uint64) error {
	var since time.Time
	for began := time.Now(); ; {
		info, err := h.about(ctx, h.cfg.Stream, since)
		if err != nil {
			return err
		}
		if err = same(info, created, position); err == nil || time.Since(began) > suspicion || !sleep(ctx, pauseFirst) {
			return err
		}
		since = began
	}
}

// suspicion is how long a stream has to look like another one.
const suspicion = 2 * time.Second
