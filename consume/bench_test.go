// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
)

const (
	benchPartitions = 1000
	benchBatch      = 500
)

// BenchmarkRead compares a Stream with plain pull consumers of the same prefetch, and BenchmarkPipe a Pipeline with plain
// consumers that publish asynchronously and wait for 500 acknowledgements at a time: 1,000 partitions on one connection. Each
// partition first handles one message, and waits there until all others have; what is measured begins then.
//
//	go test ./consume -run xxx -bench . -benchtime 1x -count 5
func BenchmarkRead(b *testing.B) {
	const each = 1000
	b.Run("plain", func(b *testing.B) {
		readAll(b, each, jetstream.MemoryStorage, false, func(_ context.Context, js jetstream.JetStream, id string, handled func()) (stop func()) {
			return plainly(b, js, id, sharedMost/benchPartitions, func(jetstream.Msg) { handled() })
		})
	})
	b.Run("stream", func(b *testing.B) {
		var h *handler
		var once sync.Once
		readAll(b, each, jetstream.MemoryStorage, false, func(_ context.Context, js jetstream.JetStream, id string, handled func()) (stop func()) {
			once.Do(func() {
				cfg := config()
				require.NoError(b, cfg.complete(false))
				h = newHandler(js, cfg)
			})
			return running(b, owns(id, 1), func(o *ownership) error {
				return h.runCheckpoint(o.ctx, o, func(context.Context, Message) error { handled(); return nil })
			})
		})
	})
}

func BenchmarkPipe(b *testing.B) {
	const each = 1000
	for _, storage := range []jetstream.StorageType{jetstream.MemoryStorage, jetstream.FileStorage} {
		b.Run("plain/"+storage.String(), func(b *testing.B) {
			readAll(b, each, storage, true, func(_ context.Context, js jetstream.JetStream, id string, handled func()) (stop func()) {
				var acks []jetstream.PubAckFuture
				n := 0
				return plainly(b, js, id, sharedMost/benchPartitions, func(m jetstream.Msg) {
					if n++; n == 1 {
						handled() // the one that waits for the others
						return
					}
					ack, err := js.PublishMsgAsync(&nats.Msg{Subject: "out." + id, Data: m.Data()})
					if err != nil {
						b.Error(err)
					}
					if acks = append(acks, ack); len(acks) < benchBatch && n < each+1 {
						return
					}
					for _, ack := range acks {
						select {
						case <-ack.Ok():
							handled()
						case err := <-ack.Err():
							b.Error(err)
						}
					}
					acks = nil
				})
			})
		})
		b.Run("pipeline/"+storage.String(), func(b *testing.B) {
			var p *pipeline
			var once sync.Once
			readAll(b, each, storage, true, func(ctx context.Context, js jetstream.JetStream, id string, handled func()) (stop func()) {
				once.Do(func() {
					cfg := config()
					require.NoError(b, cfg.complete(true))
					p = newPipeline(js, cfg, Output{Stream: "OUT", Position: func(p parti.Partition) string { return "pos." + p.ID() }})
				})
				first := true
				return running(b, owns(id, 1), func(o *ownership) error {
					return p.run(o.ctx, o, func(_ context.Context, m Message) ([]*nats.Msg, error) {
						if first {
							first = false
							handled()
							return nil, nil
						}
						return []*nats.Msg{{Subject: "out." + id, Data: m.Data()}}, nil
					})
				})
			})
		})
	}
}

// readAll measures how long it takes until each partition has handled its messages; in a pipe, until all are stored.
func readAll(b *testing.B, each int, storage jetstream.StorageType, pipe bool,
	begin func(ctx context.Context, js jetstream.JetStream, id string, handled func()) (stop func()),
) {
	s, err := embedded.Start(embedded.WithStoreDir(b.TempDir()))
	require.NoError(b, err)
	defer s.Shutdown()
	nc, err := s.Connect(parti.ConnectOptions()...)
	require.NoError(b, err)
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1<<20))
	require.NoError(b, err)
	ctx := b.Context()
	for _, c := range []jetstream.StreamConfig{
		{Name: "IN", Subjects: []string{"in.>"}, Storage: jetstream.MemoryStorage},
		{Name: "OUT", Subjects: []string{"out.>", "pos.>"}, AllowAtomicPublish: true, Storage: storage},
	} {
		_, err := js.CreateStream(ctx, c)
		require.NoError(b, err)
	}
	data := make([]byte, 128)
	for i := range benchPartitions { // one after the other, so that the server need not search for the next of a partition
		for range each + 1 {
			_, err := js.PublishAsync(fmt.Sprintf("in.p%d", i), data)
			require.NoError(b, err)
		}
		if i%10 == 9 {
			<-js.PublishAsyncComplete()
		}
	}
	<-js.PublishAsyncComplete()
	var met, handled atomic.Int64
	gate, over := make(chan struct{}), make(chan struct{})
	total := int64(each * benchPartitions)
	for i := range benchPartitions {
		waited := false
		stop := begin(ctx, js, fmt.Sprintf("p%d", i), func() {
			if !waited {
				waited = true
				met.Add(1)
				<-gate
				return
			}
			if handled.Add(1) == total {
				close(over)
			}
		})
		defer stop()
	}
	for met.Load() < benchPartitions {
		<-time.After(10 * time.Millisecond)
	}
	<-time.After(time.Second) // what is asked for has come
	b.ResetTimer()
	began := time.Now()
	close(gate)
	if pipe {
		for arrived(b, js) < total {
			<-time.After(20 * time.Millisecond)
		}
	} else {
		<-over
	}
	b.ReportMetric(float64(total)/time.Since(began).Seconds(), "msg/s")
	b.StopTimer()
}

// arrived counts the results in the output stream.
func arrived(b *testing.B, js jetstream.JetStream) (n int64) {
	out, err := js.Stream(b.Context(), "OUT")
	require.NoError(b, err)
	info, err := out.Info(b.Context(), jetstream.WithSubjectFilter("out.>"))
	require.NoError(b, err)
	for _, messages := range info.State.Subjects {
		n += int64(messages)
	}
	return n
}

// plainly consumes a partition as nats.go does.
func plainly(b *testing.B, js jetstream.JetStream, id string, prefetch int, take func(jetstream.Msg)) (stop func()) {
	c, err := js.CreateConsumer(b.Context(), "IN", jetstream.ConsumerConfig{
		FilterSubject: "in." + id, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: time.Minute,
	})
	require.NoError(b, err)
	consuming, err := c.Consume(take, jetstream.PullMaxMessages(prefetch))
	require.NoError(b, err)
	return consuming.Stop
}

func running(b *testing.B, o *ownership, f func(o *ownership) error) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(o); err != nil {
			panic(err) // or it would be waited for
		}
	}()
	return func() { o.revoke(); <-done }
}
