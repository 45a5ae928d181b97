// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/link"
)

// double returns two results for each message, and none for each tenth.
func double(_ context.Context, m Message) ([]*nats.Msg, error) {
	var results []*nats.Msg
	for i := range 2 {
		if m.Position()%10 > 0 {
			results = append(results, &nats.Msg{Subject: "out." + m.Subject()[3:], Data: fmt.Appendf(nil, "%s.%d", m.Data(), i)})
		}
	}
	return results, nil
}

func doubled(n, m int) (list []string) {
	for i := n; i <= m; i++ {
		if i%10 > 0 {
			list = append(list, fmt.Sprintf("%d.0", i), fmt.Sprintf("%d.1", i))
		}
	}
	return list
}

func (st *stage) output(change ...func(*jetstream.StreamConfig)) {
	st.t.Helper()
	c := jetstream.StreamConfig{Name: "OUT", Subjects: []string{"out.>", "pos.>"}, AllowAtomicPublish: true}
	for _, f := range change {
		f(&c)
	}
	st.stream(c)
}

func (st *stage) pipeline(js jetstream.JetStream, change ...func(*Config)) *pipeline {
	st.t.Helper()
	cfg := config()
	for _, c := range change {
		c(&cfg)
	}
	require.NoError(st.t, cfg.complete(true))
	return newPipeline(js, cfg, Output{Stream: "OUT", Position: func(p parti.Partition) string { return "pos." + p.ID() }})
}

func (st *stage) piping(p *pipeline, o *ownership, transform transforming) *run {
	st.t.Helper()
	return st.started(o, func() error { return p.run(o.ctx, o, transform) })
}

// results are what the output stream holds for a partition.
func (st *stage) results(partition string) (list []string) {
	st.t.Helper()
	return st.holds("OUT", "out."+partition)
}

func (st *stage) holds(stream, subject string) []string {
	st.t.Helper()
	list, err := st.look(stream, subject)
	require.NoError(st.t, err)
	return list
}

// look reads what a stream holds, which a cluster refuses while the stream has no leader.
func (st *stage) look(stream, subject string) (list []string, err error) {
	c, err := st.safe.OrderedConsumer(st.t.Context(), stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
	if err != nil {
		return nil, err
	}
	info, err := c.Info(st.t.Context())
	if err != nil || info.NumPending == 0 {
		return nil, err
	}
	all, err := c.Fetch(int(info.NumPending))
	if err != nil {
		return nil, err
	}
	for m := range all.Messages() {
		list = append(list, string(m.Data()))
	}
	return list, all.Error()
}

// piped is the position in the output stream, and 0 where there is none.
func (st *stage) piped(partition string) uint64 {
	st.t.Helper()
	c := newClient(st.safe)
	last, err := c.last(st.t.Context(), "OUT", "pos."+partition)
	require.NoError(st.t, err)
	if last.sequence == 0 {
		return 0
	}
	position, err := place{}.read(last.data, record{Epoch: 1 << 62, Stream: "IN", Subject: "in." + partition, Created: created(st.t, last.data)})
	require.NoError(st.t, err)
	return position
}

func TestAPipelineGoesOnWhereTheOwnerBeforeStopped(t *testing.T) {
	for name, change := range map[string]func(*jetstream.StreamConfig){
		"files":  func(*jetstream.StreamConfig) {},
		"memory": func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"age":    func(c *jetstream.StreamConfig) { c.MaxAge, c.AllowMsgTTL = time.Hour, true },
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, st *stage) {
				st.input()
				st.output(change)
				st.publish("a", 1, 1250)
				p := st.pipeline(st.js)
				first := st.piping(p, owns("a", 1), double)
				eventually(t, "all is stored", func() bool { return st.piped("a") == 1250 })
				require.NoError(t, first.stop(t))
				st.publish("a", 1251, 1300)
				second := st.piping(p, owns("a", 2), double)
				eventually(t, "the rest is stored", func() bool { return st.piped("a") == 1300 })
				require.NoError(t, second.stop(t))
				require.Equal(t, doubled(1, 1300), st.results("a"))
			})
		})
	}
}

// TestAPositionOutlivesTheAgeOfItsStream: a partition in which nothing happens must not begin again.
func TestAPositionOutlivesTheAgeOfItsStream(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.output(func(c *jetstream.StreamConfig) { c.MaxAge, c.AllowMsgTTL = time.Hour, true })
		st.publish("a", 1, 5)
		r := st.piping(st.pipeline(st.js), owns("a", 1), double)
		eventually(t, "all is stored", func() bool { return st.piped("a") == 5 })
		require.NoError(t, r.stop(t))
		<-time.After(3 * time.Hour)
		require.Empty(t, st.results("a"))
		require.EqualValues(t, 5, st.piped("a"))
	})
}

func TestAPositionInABucketOutlivesTheBucketsAge(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.stream(jetstream.StreamConfig{Name: "KV_IN-positions", Subjects: []string{"$KV.IN-positions.>"}, MaxAge: time.Hour, AllowMsgTTL: true})
		st.publish("a", 1, 5)
		r := st.reading(st.handler(st.js), owns("a", 1), (&log{}).take)
		eventually(t, "all is stored", func() bool { return st.stored("a") == 5 })
		require.NoError(t, r.stop(t))
		<-time.After(3 * time.Hour)
		require.EqualValues(t, 5, st.stored("a"))
	})
}

func TestAStalePipelineStoresNothing(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.output()
		st.publish("a", 1, 9)
		_, other := st.connect(st.s)
		old := st.piping(st.pipeline(st.js), owns("a", 1), double)
		eventually(t, "the old owner works", func() bool { return st.piped("a") == 9 })
		st.link.Stall(link.Down)
		st.publish("a", 10, 10) // it is delivered to the old owner when the link is healed
		<-time.After(time.Second)
		st.link.Stall()
		now := st.piping(st.pipeline(other), owns("a", 2), double)
		st.publish("a", 11, 19)
		eventually(t, "the new owner works", func() bool { return st.piped("a") == 19 })
		st.link.Heal()
		require.ErrorIs(t, old.wait(t), ErrStale)
		require.NoError(t, now.stop(t))
		require.Equal(t, doubled(1, 19), st.results("a"))
	})
}

// TestABatchOfWhichNothingIsKnownIsStoredOnce: its answer is lost, or the batch itself is, at many moments.
func TestABatchOfWhichNothingIsKnownIsStoredOnce(t *testing.T) {
	for _, fault := range []link.Fault{link.Lost, link.Unheard, link.Refused} {
		for nth := 1; nth <= 12; nth++ {
			t.Run(fmt.Sprintf("fault %d at message %d", fault, nth), func(t *testing.T) {
				onStage(t, func(t *testing.T, st *stage) {
					st.input()
					st.output()
					p := st.pipeline(st.js, func(c *Config) { c.Every = 3 })
					r := st.piping(p, owns("a", 1), double)
					eventually(t, "the position is claimed", func() bool {
						last, err := p.client.last(t.Context(), "OUT", "pos.a")
						return err == nil && last.sequence > 0
					})
					var seen atomic.Int32
					st.link.Fail(func(subject string) link.Fault {
						if strings.HasPrefix(subject, "out.") || strings.HasPrefix(subject, "pos.") {
							if int(seen.Add(1)) == nth {
								return fault
							}
						}
						return link.None
					})
					st.publish("a", 1, 9)
					eventually(t, "all is stored", func() bool { return st.piped("a") == 9 })
					require.NoError(t, r.stop(t))
					require.Equal(t, doubled(1, 9), st.results("a"))
					require.GreaterOrEqual(t, int(seen.Load()), nth)
				})
			})
		}
	}
}

func TestWhatCannotBeStoredIsAFailureOfItsMessage(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.output()
		st.publish("a", 1, 4)
		good := func() *nats.Msg { return &nats.Msg{Subject: "out.a", Data: []byte("x"), Header: nats.Header{}} }
		with := func(name string) *nats.Msg { m := good(); m.Header.Set(name, "1"); return m }
		on := func(subject string) *nats.Msg { m := good(); m.Subject = subject; return m }
		big := good()
		big.Data = make([]byte, 1<<20)
		many := make([]*nats.Msg, 1000)
		for i := range many {
			many[i] = good()
		}
		epoch := int64(0)
		for says, results := range map[string][]*nats.Msg{
			"it is nil":                                     {good(), nil},
			`its subject is "out.*"`:                        {on("out.*")},
			`its subject is ""`:                             {on("")},
			`subject is "pos.a", allowed`:                   {on("pos.a")},
			`subject is "pos.other", allowed`:               {on("pos.other")},
			`it has the subject "else"`:                     {on("else")},
			"header Nats-Msg-Id":                            {with("Nats-Msg-Id")},
			"header Nats-Rollup":                            {with("Nats-Rollup")},
			"header Nats-Expected-Last-Sequence":            {with("Nats-Expected-Last-Sequence")},
			"header Nats-TTL":                               {with("Nats-TTL")},
			"header nats-batch-id":                          {with("nats-batch-id")},
			"1048576 bytes":                                 {big},
			"there are 1000 messages, allowed: at most 999": many,
		} {
			epoch++
			p := st.pipeline(st.js, func(c *Config) { c.Retry = Retry{First: time.Millisecond, Most: time.Millisecond, Attempts: 2} })
			r := st.piping(p, owns("a", epoch), func(_ context.Context, m Message) ([]*nats.Msg, error) {
				if m.Position() == 3 {
					return results, nil
				}
				return nil, nil
			})
			require.ErrorIs(t, r.wait(t), ErrHalted, says)
			require.ErrorIs(t, r.err, ErrOutput, says)
			require.ErrorContains(t, r.err, says)
			require.EqualValues(t, 2, st.piped("a"), "what is before it is stored")
			require.Empty(t, st.results("a"))
		}
		r := st.piping(st.pipeline(st.js), owns("a", epoch+1), func(context.Context, Message) ([]*nats.Msg, error) { return many[:999], nil })
		eventually(t, "the largest batch is stored", func() bool { return st.piped("a") == 4 })
		require.NoError(t, r.stop(t))
		require.Len(t, st.results("a"), 2*999)
	})
}

// TestResultsDoNotWaitForAMessageThatFails: its pauses can be long.
func TestResultsDoNotWaitForAMessageThatFails(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.output()
		st.publish("a", 1, 5)
		p := st.pipeline(st.js, func(c *Config) { c.Retry = Retry{First: time.Hour, Attempts: 9} })
		st.piping(p, owns("a", 1), func(ctx context.Context, m Message) ([]*nats.Msg, error) {
			if m.Position() == 4 {
				return nil, errMood
			}
			return double(ctx, m)
		})
		eventually(t, "what is before it is stored", func() bool { return st.piped("a") == 3 })
	})
}

func TestAPipelineBuriesWhatFailsAndKeepsTheRest(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.output()
		st.stream(jetstream.StreamConfig{Name: "DEAD", Subjects: []string{"dead"}})
		st.publish("a", 1, 9)
		p := st.pipeline(st.js, func(c *Config) {
			c.Retry = Retry{First: time.Millisecond, Attempts: 2, DeadLetter: func(parti.Partition) string { return "dead" }}
		})
		r := st.piping(p, owns("a", 1), func(ctx context.Context, m Message) ([]*nats.Msg, error) {
			if m.Position()%4 == 0 {
				return nil, errors.New("not this one")
			}
			return double(ctx, m)
		})
		eventually(t, "all is done with", func() bool { return st.piped("a") == 9 })
		require.NoError(t, r.stop(t))
		require.Equal(t, append(append(doubled(1, 3), doubled(5, 7)...), doubled(9, 9)...), st.results("a"))
		require.Equal(t, []string{"4", "8"}, st.holds("DEAD", "dead"))
	})
}

// seldom has nothing stored because of the time.
func seldom(c *Config) { c.Interval = time.Hour }

func TestWhatIsTransformedIsStoredWhenThePartitionIsRevoked(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.output()
		st.publish("a", 1, 20)
		begun := make(chan struct{})
		r := st.piping(st.pipeline(st.js, seldom), owns("a", 1), func(ctx context.Context, m Message) ([]*nats.Msg, error) {
			if m.Position() == 3 {
				close(begun)
				sleep(ctx, 3*time.Second)
			}
			return double(ctx, m)
		})
		<-begun
		require.NoError(t, r.stop(t))
		require.EqualValues(t, 3, st.piped("a"))
		require.Equal(t, doubled(1, 3), st.results("a"))
	})
}

func TestAFencedPipelineStoresNothingMore(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.output()
		st.publish("a", 1, 20)
		begun := make(chan struct{})
		r := st.piping(st.pipeline(st.js, func(c *Config) { c.Every = 999 }), owns("a", 1), func(ctx context.Context, m Message) ([]*nats.Msg, error) {
			if m.Position() == 3 {
				close(begun)
				<-ctx.Done()
			}
			return double(ctx, m)
		})
		<-begun
		r.o.fence()
		require.NoError(t, r.wait(t))
		require.Zero(t, st.piped("a"))
		require.Empty(t, st.results("a"))
	})
}

func TestAPipelineSaysWhyItsStreamsAreNotFit(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		run := func(change func(*pipeline)) error {
			p := st.pipeline(st.js)
			change(p)
			return st.piping(p, owns("a", 1), double).wait(t)
		}
		same := func(*pipeline) {}
		require.ErrorContains(t, run(same), `stream "IN" does not exist`)
		st.input()
		require.ErrorContains(t, run(same), `stream "OUT" does not exist`)
		st.output(func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false })
		require.ErrorContains(t, run(same), "AllowAtomicPublish")
		require.ErrorContains(t, run(func(p *pipeline) { p.out.Position = func(parti.Partition) string { return "pos.>" } }), "without wildcards")
		require.ErrorContains(t, run(func(p *pipeline) { p.out.Position = func(parti.Partition) string { panic("no") } }), "panicked")
		require.ErrorContains(t, run(func(p *pipeline) {
			p.out.Stream, p.out.Position = "IN", func(parti.Partition) string { return "in.a" }
		}), "both are of one stream")
		require.ErrorContains(t, run(func(p *pipeline) { p.cfg.Subject = func(parti.Partition) string { return "nope" } }), `Config.Subject is "nope"`)
		require.ErrorContains(t, run(func(p *pipeline) { p.cfg.Subject = func(parti.Partition) string { return "" } }), `is ""`)
	})
}

// TestABatchWhoseAnswerWentDownWithTheConnectionIsSettledAtOnce: the answer does not come any more, so nothing is gained by
// waiting for it until the request's time is over.
func TestABatchWhoseAnswerWentDownWithTheConnectionIsSettledAtOnce(t *testing.T) {
	for name, fault := range map[string]link.Fault{"stored": link.Unheard, "not stored": link.Lost} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, st *stage) {
				st.input()
				st.output()
				r := st.piping(st.pipeline(st.js), owns("a", 1), double)
				st.publish("a", 1, 5)
				eventually(t, "it works", func() bool { return st.piped("a") == 5 })
				var failed atomic.Bool
				st.link.Fail(func(subject string) link.Fault {
					if subject == "pos.a" && !failed.Swap(true) {
						return fault
					}
					return link.None
				})
				st.publish("a", 6, 8)
				eventually(t, "a batch is under way", failed.Load)
				<-time.After(100 * time.Millisecond)
				st.link.Cut()
				<-time.After(time.Second)
				st.link.Heal()
				healed := time.Now()
				st.publish("a", 9, 9)
				eventually(t, "all is stored", func() bool { return st.piped("a") == 9 })
				require.Less(t, time.Since(healed), 2*time.Second)
				require.NoError(t, r.stop(t))
				require.Equal(t, doubled(1, 9), st.results("a"))
			})
		})
	}
}
