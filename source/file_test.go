// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/source"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// listed writes a file and returns its list as "id=weight".
func listed(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	write(t, path, text)
	list, err := source.File(path).ListPartitions(t.Context())
	require.NoError(t, err, "%q", text)
	return weighed(list)
}

func TestAFileHasAnIDOnEachLine(t *testing.T) {
	require.Equal(t, "a=0 b.c=300", listed(t, "a\nb.c 300\n"))
	require.Equal(t, "a=0", listed(t, "a"))
	require.Equal(t, "a=0 b=1 c=0", listed(t, "\ufeffa\r\nb\t1\r\n\r\n   c  \r\n"))
	require.Equal(t, "a=0 b#=2", listed(t, "# what we serve\na #1\nb# 2 # why\n  # nothing\n"))
}

func TestWhatIsWrongWithAFileNamesTheLine(t *testing.T) {
	for text, c := range map[string]struct {
		want error
		says string
	}{
		"":                        {parti.ErrNoPartitions, "at least one"},
		"# nothing\n\n":           {parti.ErrNoPartitions, "at least one"},
		"a\nb\na\n":               {parti.ErrDuplicateID, `"a" is in line 1 and in line 3`},
		"a\na 7\n":                {parti.ErrDuplicateID, "line 2"},
		"a\nb many\n":             {parti.ErrInvalidWeight, `line 2: the weight of "b" is "many"`},
		"a 0\n":                   {parti.ErrInvalidWeight, "1 to"},
		"a -3\n":                  {parti.ErrInvalidWeight, `"-3"`},
		"a 1.5\n":                 {parti.ErrInvalidWeight, `"1.5"`},
		"a 99999999999999999":     {parti.ErrInvalidWeight, "1 to"},
		"a 1 2\n":                 {parti.ErrInvalidKey, "line 1"},
		"a..b\n":                  {parti.ErrInvalidKey, "line 1"},
		"a\n\nb.*\n":              {parti.ErrInvalidKey, "line 3"},
		"orders.>\n":              {parti.ErrInvalidKey, "line 1"},
		strings.Repeat("x", 9999): {parti.ErrInvalidKey, "line 1"},
	} {
		path := filepath.Join(t.TempDir(), "list")
		write(t, path, text)
		err := refused(t, source.File(path))
		require.ErrorIs(t, err, c.want, "%.20q", text)
		require.ErrorContains(t, err, c.says, "%.20q", text)
		require.ErrorContains(t, err, path)
	}
	require.ErrorIs(t, refused(t, source.File("")), parti.ErrInvalidConfig)
	require.ErrorIs(t, source.File("").Watch(t.Context(), func() {}), parti.ErrInvalidConfig)
	require.ErrorIs(t, refused(t, source.File(filepath.Join(t.TempDir(), "none"))), os.ErrNotExist)
}

func TestSeveralProblemsAreToldAtOnceAndNotThousands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	write(t, path, strings.Repeat("a *\n", 2000))
	err := refused(t, source.File(path))
	require.ErrorContains(t, err, "line 1:")
	require.ErrorContains(t, err, "line 3")
	require.ErrorContains(t, err, "and 1995 more problems")
	require.Less(t, len(err.Error()), 2000)
}

// looking counts what a Watch says.
type looking struct {
	changes atomic.Int64
	ended   chan error
	cancel  context.CancelFunc
}

func look(t *testing.T, s parti.WatchedSource) *looking {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &looking{ended: make(chan error, 1), cancel: cancel}
	go func() { l.ended <- s.Watch(ctx, func() { l.changes.Add(1) }) }()
	t.Cleanup(cancel)
	return l
}

// stop ends it.
func (l *looking) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	require.ErrorIs(t, <-l.ended, context.Canceled)
}

// after waits, and requires so many changes since the last time.
func (l *looking) after(t *testing.T, d time.Duration, changes int64, why string) {
	t.Helper()
	<-time.After(d)
	synctest.Wait()
	require.Equal(t, changes, l.changes.Swap(0), why)
}

func TestAFileThatChangesIsSeenWithinASecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, "a\n")
		l := look(t, source.File(path))
		l.after(t, 0, 1, "what changed before it began")
		l.after(t, time.Minute, 0, "nothing has changed")
		write(t, path, "a\nb\n")
		l.after(t, time.Second, 1, "written in place")
		write(t, path+"~", "c\n")
		require.NoError(t, os.Rename(path+"~", path))
		l.after(t, time.Second, 1, "replaced")
		require.NoError(t, os.Remove(path))
		l.after(t, time.Minute, 1, "away: the leader finds that out")
		write(t, path, "c\n")
		l.after(t, time.Second, 1, "back")
		l.stop(t)
	})
}

func TestAFileOfTheSameSizeAndTimeIsReadWhileItIsYoung(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	synctest.Test(t, func(t *testing.T) {
		tick := time.Now()
		put := func(text string) {
			write(t, path, text)
			require.NoError(t, os.Chtimes(path, tick, tick)) // the clock of the file system has not moved on
		}
		put("a\n")
		l := look(t, source.File(path))
		l.after(t, 500*time.Millisecond, 1, "it begins")
		put("b\n")
		l.after(t, time.Second, 1, "another text in the same tick")
		l.after(t, time.Hour, 0, "it has settled")
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now()))
		l.after(t, time.Second, 0, "touched, and the same")
		l.stop(t)
	})
}

// TestAConfigMapIsSwappedUnderneath does what the kubelet does: a directory with the files of a version, a link ..data to it
// that is replaced at once, and a link to each file through it.
func TestAConfigMapIsSwappedUnderneath(t *testing.T) {
	dir := t.TempDir()
	project := func(version, text string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		write(t, filepath.Join(dir, version, "partitions"), text)
		old, _ := os.Readlink(filepath.Join(dir, "..data"))
		require.NoError(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		if old != "" {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, old)))
		}
	}
	synctest.Test(t, func(t *testing.T) {
		project("..2026_01", "a\nb\n")
		path := filepath.Join(dir, "partitions")
		require.NoError(t, os.Symlink(filepath.Join("..data", "partitions"), path))
		s := source.File(path)
		l := look(t, s)
		l.after(t, 10*time.Second, 1, "it begins")
		require.Equal(t, []string{"a", "b"}, ids(t, s))
		project("..2026_02", "a\nc\n")
		l.after(t, time.Second, 1, "swapped")
		require.Equal(t, []string{"a", "c"}, ids(t, s))
		project("..2026_03", "a\nc\n")
		l.after(t, time.Second, 0, "swapped, and the same")
		project("..2026_04", "d\n")
		l.after(t, time.Second, 1, "swapped again")
		require.Equal(t, []string{"d"}, ids(t, s))
		l.stop(t)
	})
}
