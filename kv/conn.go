// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// The settings of a connection on which leases rely.
const (
	reconnectWait   = 100 * time.Millisecond
	reconnectJitter = 20 * time.Millisecond
	pingInterval    = 2 * time.Second
	pingsMost       = 2
)

// ConnectOptions returns the options that leases need. The connection reconnects soon and without limit, so that a lease
// survives a short outage. It notices a dead link within seconds. It does not buffer writes while it is disconnected,
// because nobody would expect them later.
func ConnectOptions() []nats.Option {
	return []nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsMost),
		nats.Timeout(2 * time.Second),
		nats.FlusherTimeout(2 * time.Second), // it bounds how long a full socket holds up every other publish
	}
}

// CheckConnection names the options of a connection that leases cannot rely on.
func CheckConnection(nc *nats.Conn) []string {
	var warnings []string
	warn := func(format string, args ...any) {
		warnings = append(warnings, "connection: "+fmt.Sprintf(format, args...))
	}
	o := nc.Opts
	if !o.AllowReconnect {
		warn("reconnecting is off; a short outage ends the worker; use nats.MaxReconnects(-1)")
	}
	if o.MaxReconnect >= 0 {
		warn("MaxReconnects is %d; after that many attempts the worker ends; use nats.MaxReconnects(-1)", o.MaxReconnect)
	}
	if o.ReconnectWait > time.Second {
		warn("ReconnectWait is %s; leases run out meanwhile; use nats.ReconnectWait(%s)", o.ReconnectWait, reconnectWait)
	}
	if o.ReconnectBufSize >= 0 {
		warn("ReconnectBufSize is %d; what is written while disconnected arrives late; use nats.ReconnectBufSize(-1)", o.ReconnectBufSize)
	}
	if o.PingInterval > 10*time.Second {
		warn("PingInterval is %s; a dead link is noticed after the leases have run out; use nats.PingInterval(%s)", o.PingInterval, pingInterval)
	}
	return warnings
}
