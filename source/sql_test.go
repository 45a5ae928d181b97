// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/source"
)

// database is a driver with one table, which any query lists.
type database struct {
	mu      sync.Mutex
	columns []string
	rows    [][]driver.Value
	err     error         // of the query
	breaks  error         // after the last row
	slow    time.Duration // how long a query takes, unless its context ends
	queries int
}

// holds replaces the table.
func (d *database) holds(rows ...[]driver.Value) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows = rows
}

func (d *database) change(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *database) Connect(context.Context) (driver.Conn, error) { return connection{d}, nil }
func (d *database) Driver() driver.Driver                        { return nil }

type connection struct{ d *database }

func (connection) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (connection) Close() error                        { return nil }
func (connection) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }

func (c connection) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	c.d.queries++
	if c.d.slow > 0 {
		select {
		case <-time.After(c.d.slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &result{c.d.columns, c.d.rows, c.d.breaks}, c.d.err
}

type result struct {
	columns []string
	rows    [][]driver.Value
	breaks  error
}

func (r *result) Columns() []string { return r.columns }
func (r *result) Close() error      { return nil }

func (r *result) Next(row []driver.Value) error {
	if len(r.rows) == 0 {
		if r.breaks != nil {
			return r.breaks
		}
		return io.EOF
	}
	copy(row, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

func openTable(t *testing.T, columns ...string) (*database, *sql.DB) {
	t.Helper()
	d := &database{columns: columns}
	db := sql.OpenDB(d)
	t.Cleanup(func() { _ = db.Close() })
	return d, db
}

func row(values ...driver.Value) []driver.Value { return values }

func TestAQueryListsItsRows(t *testing.T) {
	d, db := openTable(t, "id", "weight")
	d.holds(row("orders.eu", nil), row("orders.us", int64(300)), row([]byte("b"), "7"), row(int64(12), nil))
	list, err := source.SQL(db, "SELECT", time.Minute).ListPartitions(t.Context())
	require.NoError(t, err)
	require.Equal(t, "12=0 b=7 orders.eu=0 orders.us=300", weighed(list))
	d, db = openTable(t, "id")
	d.holds(row("a"), row("b"))
	require.Equal(t, []string{"a", "b"}, ids(t, source.SQL(db, "SELECT", time.Minute)))
}

func TestWhatIsWrongWithARowIsNamed(t *testing.T) {
	for says, c := range map[string]struct {
		rows [][]driver.Value
		want error
	}{
		"at least one":                      {nil, parti.ErrNoPartitions},
		`"a" is in row 1 and in row 2`:      {[][]driver.Value{row("a", nil), row("a", nil)}, parti.ErrDuplicateID},
		"row 2: id is NULL":                 {[][]driver.Value{row("a", nil), row(nil, nil)}, parti.ErrInvalidKey},
		`row 1: "a b" cannot be the ID`:     {[][]driver.Value{row("a b", nil)}, parti.ErrInvalidKey},
		`row 1: "" cannot be the ID`:        {[][]driver.Value{row("", nil)}, parti.ErrInvalidKey},
		`row 1: the weight of "a" is "0"`:   {[][]driver.Value{row("a", int64(0))}, parti.ErrInvalidWeight},
		`row 1: the weight of "a" is "-1"`:  {[][]driver.Value{row("a", int64(-1))}, parti.ErrInvalidWeight},
		`row 1: the weight of "a" is "1.5"`: {[][]driver.Value{row("a", 1.5)}, parti.ErrInvalidWeight},
		`row 1: the weight of "a" is empty`: {[][]driver.Value{row("a", "")}, parti.ErrInvalidWeight},
	} {
		d, db := openTable(t, "id", "weight")
		d.holds(c.rows...)
		err := refused(t, source.SQL(db, "SELECT", time.Minute))
		require.ErrorIs(t, err, c.want)
		require.ErrorContains(t, err, says)
	}
}

func TestAResultThatBreaksOffIsNoList(t *testing.T) {
	d, db := openTable(t, "id")
	d.holds(row("a"))
	d.breaks = errors.New("connection reset")
	require.ErrorIs(t, refused(t, source.SQL(db, "SELECT", time.Minute)), d.breaks)
	d.breaks, d.err = nil, errors.New("no such table")
	require.ErrorIs(t, refused(t, source.SQL(db, "SELECT", time.Minute)), d.err)
}

func TestArgumentsOfAQueryAreChecked(t *testing.T) {
	_, db := openTable(t, "id")
	for _, c := range []struct {
		s    parti.WatchedSource
		want error
		says string
	}{
		{source.SQL(nil, "SELECT", time.Minute), parti.ErrNilArgument, "db is nil"},
		{source.SQL(db, " \n", time.Minute), parti.ErrInvalidConfig, "query"},
		{source.SQL(db, "SELECT", time.Millisecond), parti.ErrInvalidConfig, "every is 1ms, allowed: 1s or more"},
		{source.SQL(db, "SELECT", -1), parti.ErrInvalidConfig, "every"},
	} {
		err := refused(t, c.s)
		require.ErrorIs(t, err, c.want)
		require.ErrorContains(t, err, c.says)
		require.ErrorContains(t, err, "allowed")
		require.ErrorIs(t, c.s.Watch(t.Context(), func() {}), c.want)
	}
	_, db = openTable(t, "id", "weight", "name")
	err := refused(t, source.SQL(db, "SELECT", time.Minute))
	require.ErrorIs(t, err, parti.ErrInvalidConfig)
	require.ErrorContains(t, err, `"name"`)
}

func TestAQueryWhoseRowsAreOthersIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, db := openTable(t, "id", "weight")
		d.holds(row("a", nil), row("b", int64(1)))
		l := look(t, source.SQL(db, "SELECT", 10*time.Second))
		l.after(t, time.Second, 1, "it begins")
		d.holds(row("b", int64(1)), row("a", nil))
		l.after(t, 10*time.Second, 0, "the same in another order")
		d.holds(row("a", nil), row("b", int64(2)))
		l.after(t, 10*time.Second, 1, "another weight")
		d.holds(row("a", nil), row("b", int64(2)), row("c", nil))
		l.after(t, 10*time.Second, 1, "another row")
		d.change(func() { d.err = errors.New("the database is down") })
		l.after(t, time.Minute, 1, "the leader finds out that the list cannot be had")
		d.change(func() { d.err = errors.New("the database starts") })
		l.after(t, time.Minute, 0, "it still cannot")
		d.change(func() { d.err = nil })
		l.after(t, 10*time.Second, 1, "it is back")
		l.after(t, time.Hour, 0, "and stays")
		require.Greater(t, d.queries, 360)
		l.stop(t)
	})
}

func TestAQueryThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, db := openTable(t, "id")
		d.holds(row("a"))
		l := look(t, source.SQL(db, "SELECT", time.Second))
		l.after(t, time.Minute, 1, "it begins")
		d.change(func() { d.slow = time.Hour })
		l.after(t, 15*time.Second, 1, "the leader finds out that the list cannot be had")
		l.stop(t) // although a query is under way
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := source.SQL(db, "SELECT", time.Second).ListPartitions(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
