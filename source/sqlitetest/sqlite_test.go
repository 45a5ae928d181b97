// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package sqlitetest shows that source.SQL works with a real database.
package sqlitetest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/source"
)

func open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "topics.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	do(t, db, "CREATE TABLE topics (id TEXT, weight INTEGER, active BOOLEAN DEFAULT TRUE)")
	return db
}

func do(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

const query = "SELECT id, weight FROM topics WHERE active ORDER BY id"

func listed(t *testing.T, s parti.PartitionSource) string {
	t.Helper()
	list, err := s.ListPartitions(t.Context())
	require.NoError(t, err)
	var words []string
	for _, p := range list {
		words = append(words, fmt.Sprintf("%s=%d", p.ID(), p.Weight))
	}
	return strings.Join(words, " ")
}

func TestATableIsListed(t *testing.T) {
	db := open(t)
	s := source.SQL(db, query, time.Second)
	_, err := s.ListPartitions(t.Context())
	require.ErrorIs(t, err, parti.ErrNoPartitions)
	do(t, db, "INSERT INTO topics (id, weight) VALUES ('orders.eu', NULL), ('orders.us', 300)")
	do(t, db, "INSERT INTO topics (id, active) VALUES ('orders.ap', FALSE)")
	require.Equal(t, "orders.eu=0 orders.us=300", listed(t, s))
	do(t, db, "INSERT INTO topics (id) VALUES ('orders.eu')")
	_, err = s.ListPartitions(t.Context())
	require.ErrorIs(t, err, parti.ErrDuplicateID)
	do(t, db, "UPDATE topics SET id = 'orders.*' WHERE weight = 300")
	_, err = s.ListPartitions(t.Context())
	require.ErrorIs(t, err, parti.ErrInvalidKey)
	do(t, db, "DROP TABLE topics")
	_, err = s.ListPartitions(t.Context())
	require.ErrorContains(t, err, "no such table")
}

func TestNumbersAreIDsAsWell(t *testing.T) {
	db := open(t)
	do(t, db, "CREATE TABLE shards (n INTEGER PRIMARY KEY)")
	do(t, db, "INSERT INTO shards VALUES (1), (2), (30)")
	require.Equal(t, "1=0 2=0 30=0", listed(t, source.SQL(db, "SELECT n FROM shards", time.Second)))
}

func TestAnEndedContextEndsAQuery(t *testing.T) {
	db := open(t)
	endless := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT 'p.' || max(i) FROM n"
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := source.SQL(db, endless, time.Second).ListPartitions(ctx)
	require.Error(t, err)
	require.Less(t, time.Since(began), 30*time.Second)
	do(t, db, "INSERT INTO topics (id) VALUES ('a')") // the connection is fit for the next one
	require.Equal(t, "a=0", listed(t, source.SQL(db, query, time.Second)))
}

func TestATableThatChangesIsSeen(t *testing.T) {
	db := open(t)
	do(t, db, "INSERT INTO topics (id) VALUES ('a')")
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan struct{}, 100), make(chan error, 1)
	go func() {
		ended <- source.SQL(db, query, time.Second).Watch(ctx, func() { changes <- struct{}{} })
	}()
	within := func(what string) {
		t.Helper()
		select {
		case <-changes:
		case err := <-ended:
			require.FailNow(t, "the watch has ended", "%v", err)
		case <-time.After(30 * time.Second):
			require.FailNow(t, "not seen: "+what)
		}
	}
	within("the beginning")
	do(t, db, "INSERT INTO topics (id) VALUES ('b')")
	within("a row more")
	do(t, db, "UPDATE topics SET weight = 7 WHERE id = 'a'")
	within("another weight")
	do(t, db, "UPDATE topics SET active = FALSE WHERE id = 'a'")
	within("a row less")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, changes)
}
