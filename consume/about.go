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
	// freshFor is how long an answer of the server about a stream is used again, because workers begin many partitions at the
	// same time.
	freshFor = time.Second
	// answerWithin limits one request about a stream. A cluster without a leader for the stream does not answer at all, and a
	// moment later it has one.
	answerWithin = 2 * time.Second
)

// answered is the server's answer about a stream, or the reason for its silence, with the time.
type answered struct {
	info *jetstream.StreamInfo
	err  error
	at   time.Time
}

// about asks the server about a stream, or returns its last answer, if that came after since and a moment ago.
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

// known asks about a stream until the server answers, as long as patience allows. made says that the stream exists: a server
// that does not know it yet is asked again.
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

// input checks the stream that is read, and that it can have messages for a partition's filter.
func (h *handler) input(ctx context.Context, subject string) (*jetstream.StreamInfo, error) {
	info, err := h.known(ctx, h.cfg.Stream, false)
	if err != nil {
		return nil, err
	}
	return info, errors.Join(h.fit(info), matches(info.Config, subject))
}

// unchanged reports whether the stream is still the one that a position belongs to. An earlier answer may be older than the
// position, and just after a change of its leader a stream can look older than it is. So unchanged asks again, for a while.
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

// suspicion is how long a stream has to look like another one before that is believed.
const suspicion = 2 * time.Second
