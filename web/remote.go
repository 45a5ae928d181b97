// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/observe"
)

// ask sends the request to another worker. For a drain it returns as soon as the drain has begun there.
type ask func(ctx context.Context, a Action, t target, by string) *failure

// over sends the request over a connection. It names the session that the client has seen, or else the present one, so that the
// next holder of the ID does not obey it.
func over(conn *nats.Conn, o *observe.Observer) ask {
	return func(ctx context.Context, a Action, t target, by string) *failure {
		g := o.Group()
		if t.session == 0 {
			for _, w := range g.Workers {
				if w.ID == t.worker && w.Live {
					t.session = w.Session
				}
			}
		}
		if t.session == 0 {
			return fail(http.StatusNotFound, "no worker %.100q lives in the group", t.worker)
		}
		ctx, begun := context.WithCancel(ctx)
		defer begun()
		heard := false
		progress := func(p control.Progress) {
			if a == ActionDrain && (p.Draining || p.Leaving) {
				heard = true
				begun()
			}
		}
		err := control.Ask(ctx, conn, g.Bucket, t.worker, control.Request{Action: control.Action(a), Session: t.session, By: by}, progress)
		if heard || err == nil {
			return nil
		}
		return fail(statusOfRefusal(err), "%s", err)
	}
}

func statusOfRefusal(err error) int {
	for _, known := range []struct {
		err    error
		status int
	}{
		{control.ErrRequest, http.StatusBadRequest},
		{control.ErrNobody, http.StatusNotFound},
		{control.ErrSession, http.StatusConflict},
		{control.ErrLeaving, http.StatusConflict},
		{control.ErrSuperseded, http.StatusConflict},
		{control.ErrBusy, http.StatusServiceUnavailable},
		{control.ErrSilent, http.StatusGatewayTimeout},
	} {
		if errors.Is(err, known.err) {
			return known.status
		}
	}
	return http.StatusBadGateway
}
