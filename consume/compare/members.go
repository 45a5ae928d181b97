// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/signal"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/pcgroups"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/consume"
	"github.com/parti-go/parti/strategy"
)

// setup is what the process of a member is told.
type setup struct {
	URL        string
	Name       string // of the member, in pcgroups
	Partitions int
	Config     parti.Config
	Stop       bool // Parti: a member leaves by Stop, as if it came back, and not by Drain
	Consumer   jetstream.ConsumerConfig
}

const (
	inStream = "IN"
	group    = "cg"
	done     = "done" // where members say what they have handled
)

// joining makes a process a member.
type joining func(ctx context.Context, js jetstream.JetStream, s setup) (leave func(context.Context) error, err error)

// member connects the process of a member and calls join, which returns how to leave.
func member(text string, join joining) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var s setup
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	nc, err := nats.Connect(s.URL, parti.ConnectOptions()...)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	leave, err := join(ctx, js, s)
	if err != nil {
		return err
	}
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.Background(), s.Config.ShutdownTimeout)
	defer cancel()
	if err := leave(ending); err != nil {
		return err
	}
	return nc.FlushWithContext(ending)
}

// joinParti is what an application writes to read with Parti.
func joinParti(ctx context.Context, js jetstream.JetStream, s setup) (func(context.Context) error, error) {
	handler, err := consume.Stream(js, consume.Config{
		Stream: inStream, Subject: func(p parti.Partition) string { return "in." + p.ID() },
	}, func(_ context.Context, _ *parti.Ownership, m consume.Message) error {
		return js.Conn().Publish(done, m.Data())
	})
	if err != nil {
		return nil, err
	}
	list := make([]parti.Partition, s.Partitions)
	for i := range list {
		list[i].Keys = []string{key(i)}
	}
	m, err := parti.NewManager(s.Config, js, parti.StaticSource(list...), strategy.NewConsistentHash(),
		parti.WithHandler(handler), parti.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	if s.Stop {
		return m.Stop, m.Start(ctx)
	}
	return m.Drain, m.Start(ctx) // it does not come back
}

// joinPCGroups is what an application writes to read with pcgroups. That the member belongs to the group is what an
// administrator says, see administrator.
func joinPCGroups(ctx context.Context, js jetstream.JetStream, s setup) (func(context.Context) error, error) {
	c, err := pcgroups.ElasticConsume(ctx, js, inStream, group, s.Name, func(m jetstream.Msg) {
		if js.Conn().Publish(done, m.Data()) == nil {
			_ = m.DoubleAck(context.Background()) // as its own tool does; where it fails the message comes again
		}
	}, s.Consumer)
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { c.Stop(); return <-c.Done() }, nil
}
