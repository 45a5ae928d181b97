// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/source"
)

// store starts a server in this process and connects to it. Against a server of your own it is
// nats.Connect(url, parti.ConnectOptions()...) and jetstream.New.
func store() (js jetstream.JetStream, end func()) {
	server, err := embedded.Start()
	if err != nil {
		panic(err)
	}
	nc, err := server.Connect(parti.ConnectOptions()...)
	if err != nil {
		panic(err)
	}
	if js, err = jetstream.New(nc); err != nil {
		panic(err)
	}
	return js, func() {
		nc.Close()
		server.Shutdown()
	}
}

// show prints what a source lists, as "id=weight"; 0 is the default weight of 100.
func show(s parti.PartitionSource) {
	list, err := s.ListPartitions(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(weighed(list))
}

func ExampleNumbered() {
	show(source.Numbered("orders", 12))
	// Output: orders.00=0 orders.01=0 orders.02=0 orders.03=0 orders.04=0 orders.05=0 orders.06=0 orders.07=0 orders.08=0 orders.09=0 orders.10=0 orders.11=0
}

// A key is a partition, its value the weight. Whoever edits the bucket has the leader list it again a second later.
func ExampleKV() {
	js, end := store()
	defer end()
	ctx := context.Background()
	bucket, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "partitions"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for key, value := range map[string]string{"orders.eu": "", "orders.us": "300"} {
		if _, err := bucket.PutString(ctx, key, value); err != nil {
			fmt.Println(err)
			return
		}
	}
	show(source.KV(js, "partitions"))

	_, _ = bucket.PutString(ctx, "orders.us", "heavy")
	show(source.KV(js, "partitions"))
	// Output:
	// orders.eu=0 orders.us=300
	// bucket "partitions": invalid partition weight: key "orders.us": the weight of "orders.us" is "heavy", allowed: none (the default of 100), or 1 to 1099511627776
}

func ExampleFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "partitions")
	text := `# the regions that we serve
orders.eu
orders.us 300   # three times the load
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	show(source.File(path))
	// Output: orders.eu=0 orders.us=300
}

func ExampleSQL() {
	// In place of sql.Open("postgres", …): a database that answers every query with these rows.
	db := sql.OpenDB(&database{columns: []string{"id", "weight"}, rows: [][]driver.Value{{"orders.eu", nil}, {"orders.us", int64(300)}}})
	defer func() { _ = db.Close() }()
	show(source.SQL(db, "SELECT id, weight FROM topics WHERE active", 10*time.Second))
	// Output: orders.eu=0 orders.us=300
}

func ExampleSubjects() {
	js, end := store()
	defer end()
	ctx := context.Background()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "events", Subjects: []string{"orders.>"}}); err != nil {
		fmt.Println(err)
		return
	}
	for _, subject := range []string{"orders.eu", "orders.us", "orders.eu"} {
		if _, err := js.Publish(ctx, subject, nil); err != nil {
			fmt.Println(err)
			return
		}
	}
	show(source.Subjects(js, "events", "orders.*", 10*time.Second))
	// Output: orders.eu=0 orders.us=0
}

// The second release of an application renames its partitions: under a higher version the group takes that over.
func ExampleVersioned() {
	s := source.Versioned(2, source.Numbered("shard", 3))
	fmt.Println(s.SourceVersion())
	show(s)
	// Output:
	// 2
	// shard.0=0 shard.1=0 shard.2=0
}

// A bucket that holds other things as well: the partitions are the keys under one prefix.
func ExampleUnder() {
	js, end := store()
	defer end()
	ctx := context.Background()
	bucket, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "settings"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range []string{"partitions.eu", "partitions.us", "colour"} {
		_, _ = bucket.PutString(ctx, key, "")
	}
	show(source.KV(js, "settings", source.Under("partitions")))
	// Output: eu=0 us=0
}
