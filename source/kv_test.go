// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/source"
)

// weighed prints a list as "id=weight", sorted.
func weighed(list []parti.Partition) string {
	var words []string
	for _, p := range list {
		words = append(words, fmt.Sprintf("%s=%d", p.ID(), p.Weight))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func connect(t *testing.T, s *bubble.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(s))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// newBucket makes a bucket with these keys and values, alternating.
func newBucket(t *testing.T, js jetstream.JetStream, texts ...string) jetstream.KeyValue {
	t.Helper()
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "partitions"})
	require.NoError(t, err)
	for i := 0; i < len(texts); i += 2 {
		set(t, kv, texts[i], texts[i+1])
	}
	return kv
}

func set(t *testing.T, kv jetstream.KeyValue, key, value string) {
	t.Helper()
	_, err := kv.PutString(t.Context(), key, value)
	require.NoError(t, err)
}

func TestABucketListsItsKeysWithTheirWeights(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		kv := newBucket(t, js, "orders.eu", "", "orders.us", "300\n", "gone", "1", "purged", "", "one", "1", "dash-_/=x", "7")
		require.NoError(t, kv.Delete(t.Context(), "gone"))
		require.NoError(t, kv.Purge(t.Context(), "purged"))
		list, err := source.KV(js, "partitions").ListPartitions(t.Context())
		require.NoError(t, err)
		require.Equal(t, "dash-_/=x=7 one=1 orders.eu=0 orders.us=300", weighed(list))
		list, err = source.KV(js, "partitions", source.Under("orders"), nil).ListPartitions(t.Context())
		require.NoError(t, err)
		require.Equal(t, "eu=0 us=300", weighed(list))
	})
}

func TestWhatIsWrongWithABucketNamesKeyAndValue(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		err := refused(t, source.KV(js, "partitions"))
		require.ErrorIs(t, err, jetstream.ErrBucketNotFound)
		require.ErrorContains(t, err, `"partitions"`)
		kv := newBucket(t, js)
		require.ErrorIs(t, refused(t, source.KV(js, "partitions")), parti.ErrNoPartitions)

		set(t, kv, "good", "200")
		set(t, kv, "heavy", "much")
		_, err = js.Publish(t.Context(), "$KV.partitions.über\u00a0maß", nil) // by other means than a KV client
		require.NoError(t, err)
		err = refused(t, source.KV(js, "partitions"))
		require.ErrorIs(t, err, parti.ErrInvalidWeight)
		require.ErrorContains(t, err, `key "heavy"`)
		require.ErrorContains(t, err, `"much"`)
		require.ErrorIs(t, err, parti.ErrInvalidKey)
		require.ErrorContains(t, err, `maß"`)
		for _, value := range []string{"0", "-1", "1.5", "1 2", "1e3", "9999999999999999999"} {
			set(t, kv, "heavy", value)
			require.ErrorIs(t, refused(t, source.KV(js, "partitions")), parti.ErrInvalidWeight, value)
		}
	})
}

func TestArgumentsOfABucketAreChecked(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		for _, c := range []struct {
			s    parti.WatchedSource
			want error
			says string
		}{
			{source.KV(nil, "partitions"), parti.ErrNilArgument, "js is nil"},
			{source.KV(js, ""), parti.ErrInvalidConfig, "bucket"},
			{source.KV(js, "b", source.Under("")), parti.ErrInvalidConfig, "Under"},
			{source.KV(js, "b", source.Under("a.*")), parti.ErrInvalidConfig, `"a.*"`},
			{source.KV(js, "b", source.Under("a.")), parti.ErrInvalidConfig, "Under"},
		} {
			err := refused(t, c.s)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "allowed")
			require.ErrorIs(t, c.s.Watch(t.Context(), func() {}), c.want)
		}
	})
}

func TestAnEditOfABucketIsSeenAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		kv := newBucket(t, js, "a", "")
		l := look(t, source.KV(js, "partitions"))
		l.after(t, 50*time.Millisecond, 1, "what was edited before")
		set(t, kv, "b", "")
		l.after(t, 50*time.Millisecond, 1, "a new key")
		set(t, kv, "b", "200")
		l.after(t, 50*time.Millisecond, 1, "another weight")
		require.NoError(t, kv.Delete(t.Context(), "a"))
		l.after(t, 50*time.Millisecond, 1, "a key that goes")
		l.after(t, 5*time.Minute, 0, "nothing is edited")
		s.Stop()
		<-time.After(time.Minute)
		s.Start()
		l.after(t, time.Minute, 0, "the server was away, and it is watched on")
		set(t, kv, "c", "")
		l.after(t, 50*time.Millisecond, 1, "a new key after that")
		l.stop(t)
	})
}

func TestOnlyWhatIsUnderThePrefixIsWatched(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		kv := newBucket(t, js, "p.a", "")
		l := look(t, source.KV(js, "partitions", source.Under("p")))
		l.after(t, time.Second, 1, "it begins")
		set(t, kv, "other.b", "")
		l.after(t, time.Second, 0, "something else")
		set(t, kv, "p.b", "")
		l.after(t, time.Second, 1, "a partition")
		l.stop(t)
	})
}

func TestABucketThatIsDeletedOrMadeAnewEndsTheWatch(t *testing.T) {
	for name, again := range map[string]bool{"deleted": false, "made anew": true} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				js := connect(t, s)
				newBucket(t, js, "a", "")
				l := look(t, source.KV(js, "partitions"))
				l.after(t, time.Second, 1, "it begins")
				require.NoError(t, js.DeleteKeyValue(t.Context(), "partitions"))
				if again {
					newBucket(t, js, "b", "")
				}
				select {
				case err := <-l.ended:
					require.ErrorContains(t, err, `bucket "partitions"`)
					require.NotErrorIs(t, err, context.Canceled)
				case <-time.After(time.Minute):
					require.FailNow(t, "a bucket that is not there any more is watched")
				}
			})
		})
	}
}

// TestSeveralEditorsAtOnceLoseNothing: each adds, weighs and removes partitions of its own, and one that everybody weighs,
// while the list is read all the time. What nobody removes is in every list.
func TestSeveralEditorsAtOnceLoseNothing(t *testing.T) {
	const editors, each = 8, 30
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		kv := newBucket(t, js, "shared", "1")
		for i := range 50 {
			set(t, kv, fmt.Sprintf("old.%02d", i), "")
		}
		l := look(t, source.KV(js, "partitions"))
		l.after(t, time.Second, 1, "it begins")
		done := make(chan struct{})
		var work, reader sync.WaitGroup
		fails := make(chan error, 1000)
		for e := range editors {
			mine := connect(t, s)
			work.Go(func() {
				kv, err := mine.KeyValue(t.Context(), "partitions")
				fails <- err
				for i := range each {
					_, put := kv.PutString(t.Context(), fmt.Sprintf("new.%d.%02d", e, i), "")
					_, weigh := kv.PutString(t.Context(), fmt.Sprintf("old.%02d", (e*each+i)%50), fmt.Sprint(1+i))
					_, share := kv.PutString(t.Context(), "shared", fmt.Sprint(1+e))
					fails <- errors.Join(put, weigh, share)
					if i%3 == 0 {
						fails <- kv.Delete(t.Context(), fmt.Sprintf("new.%d.%02d", e, i))
					}
				}
			})
		}
		lists := 0
		reader.Go(func() {
			for {
				list, err := source.KV(js, "partitions").ListPartitions(t.Context())
				if err != nil {
					fails <- err
					return
				}
				old := 0
				for _, p := range list {
					if p.Keys[0] == "old" || p.ID() == "shared" {
						old++
					}
				}
				if old != 51 {
					fails <- fmt.Errorf("a list has %d of the 51 partitions that stay", old)
					return
				}
				lists++
				select {
				case <-done:
					return
				default:
				}
			}
		})
		work.Wait()
		close(done)
		reader.Wait()
		close(fails)
		for err := range fails {
			require.NoError(t, err)
		}
		require.Positive(t, lists)
		list := ids(t, source.KV(js, "partitions"))
		require.Len(t, list, 51+editors*each*2/3)
		<-time.After(time.Second)
		require.Positive(t, l.changes.Swap(0))
		set(t, kv, "last", "")
		l.after(t, time.Second, 1, "and it goes on")
		l.stop(t)
	})
}

func TestABucketOfThousandsOfKeysIsReadWhole(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		kv := newBucket(t, js)
		for i := range 2500 {
			_, err := js.PublishAsync(fmt.Sprintf("$KV.partitions.p.%04d", i), []byte("7"))
			require.NoError(t, err)
		}
		<-js.PublishAsyncComplete()
		require.NoError(t, kv.Delete(t.Context(), "p.1234"))
		list, err := source.KV(js, "partitions").ListPartitions(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2499)
		for _, p := range list {
			require.EqualValues(t, 7, p.Weight)
		}
	})
}

func TestAMirrorOfABucketListsWhatItsOriginHolds(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		newBucket(t, js, "a", "", "b", "3")
		_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "copy", Mirror: &jetstream.StreamSource{Name: "partitions"}})
		require.NoError(t, err)
		<-time.After(5 * time.Second)
		list, err := source.KV(js, "copy").ListPartitions(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a=0 b=3", weighed(list))
	})
}

func TestABucketWithoutDirectGetsIsNamed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js := connect(t, s)
		newBucket(t, js, "a", "")
		stream, err := js.Stream(t.Context(), "KV_partitions")
		require.NoError(t, err)
		config := stream.CachedInfo().Config
		config.AllowDirect = false
		_, err = js.UpdateStream(t.Context(), config)
		require.NoError(t, err)
		err = refused(t, source.KV(js, "partitions"))
		require.ErrorIs(t, err, parti.ErrInvalidConfig)
		require.ErrorContains(t, err, "--allow-direct")
	})
}
