// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parti-go/parti"
)

// SQL returns a source that lists the rows of a query. The first column is the ID of a partition; an optional second column
// is its weight. NULL means the default weight. A duplicate ID, a NULL as ID, and a result without rows are errors.
//
//	source.SQL(db, "SELECT id, weight FROM topics WHERE active", 10*time.Second)
//
// Watch runs the query at the interval every, but at most once a second. It reports a change when the rows differ; their
// order does not matter. The query should be cheap and should read one consistent state, because a partition that is
// missing for a moment is taken away for a moment. The query runs on the leader, and once in each worker when it starts.
func SQL(db *sql.DB, query string, every time.Duration) parti.WatchedSource {
	return table{db, query, every}
}

type table struct {
	db    *sql.DB
	query string
	every time.Duration
}

func (t table) check() error {
	var errs []error
	if t.db == nil {
		errs = append(errs, missing("SQL", "db", "a *sql.DB"))
	}
	if strings.TrimSpace(t.query) == "" {
		errs = append(errs, argument("SQL", "query", `""`, "a query whose rows are IDs, or IDs and weights"))
	}
	return errors.Join(append(errs, checkEvery("SQL", t.every))...)
}

func checkEvery(constructor string, every time.Duration) error {
	if every < leastEvery {
		return argument(constructor, "every", every, leastEvery.String()+" or more")
	}
	return nil
}

// ListPartitions implements parti.PartitionSource.
func (t table) ListPartitions(ctx context.Context) (list []parti.Partition, err error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	rows, err := t.db.QueryContext(ctx, t.query)
	if err != nil {
		return nil, fmt.Errorf("list of partitions: %w", err)
	}
	defer func() {
		if e := rows.Close(); err == nil && e != nil {
			list, err = nil, fmt.Errorf("list of partitions: %w", e)
		}
	}()
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("list of partitions: %w", err)
	}
	if len(columns) < 1 || len(columns) > 2 {
		return nil, argument("SQL", "query", fmt.Sprintf("one with the columns %q", columns), "one column, the ID, or two, the ID and the weight")
	}
	b := newBuilder("query")
	var id, weight sql.NullString
	into := []any{&id, &weight}[:len(columns)]
	for number := 1; rows.Next(); number++ {
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("list of partitions: row %d: %w", number, err)
		}
		place := fmt.Sprintf("row %d", number)
		switch {
		case !id.Valid:
			b.problem(fmt.Errorf("%w: %s: %s is NULL, allowed: an ID", parti.ErrInvalidKey, place, columns[0]))
		case weight.Valid && weight.String == "":
			b.problem(fmt.Errorf("%w: %s: the weight of %q is empty, allowed: NULL, or a number", parti.ErrInvalidWeight, place, id.String))
		default:
			b.add(place, id.String, weight.String)
		}
	}
	if err := rows.Err(); err != nil { // a result that broke off is no list
		return nil, fmt.Errorf("list of partitions: %w", err)
	}
	return b.done()
}

// Watch implements parti.WatchedSource.
func (t table) Watch(ctx context.Context, changed func()) error {
	if err := t.check(); err != nil {
		return err
	}
	return poll(ctx, t.every, looksAt(t), changed)
}

// looksAt returns the look function of a source that is read by listing it.
func looksAt(s parti.PartitionSource) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		list, err := s.ListPartitions(ctx)
		if err != nil {
			return "", err
		}
		return fingerprint(list), nil
	}
}
