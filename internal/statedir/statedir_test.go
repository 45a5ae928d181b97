// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	first  = "AAAAAAAAAAAAAAAA/"
	second = "BBBBBBBBBBBBBBBB/"
	third  = "CCCCCCCCCCCCCCCC/"
)

// childVariable names the directory to a child process that locks it and then waits to be killed.
const childVariable = "PARTITEST_STATEDIR_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		d := New(path)
		if _, err := d.Lock(); err != nil {
			os.Exit(1)
		}
		if _, _, err := d.Begin("g", first); err != nil {
			os.Exit(1)
		}
		if err := d.Claimed("worker-3"); err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("locked\n")
		select {}
	}
	os.Exit(m.Run())
}

func locked(t *testing.T, path string) *Dir {
	t.Helper()
	d := New(path)
	ignored, err := d.Lock()
	require.NoError(t, err)
	require.NoError(t, ignored)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// crash releases the lock as the end of a process would, and leaves the file as it is.
func crash(t *testing.T, d *Dir) {
	t.Helper()
	d.closed = true
	require.NoError(t, d.lock.Unlock())
}

func begin(t *testing.T, d *Dir, group, holder string) (worker string, dead []string) {
	t.Helper()
	worker, dead, err := d.Begin(group, holder)
	require.NoError(t, err)
	return worker, dead
}

func TestALockEndsWithItsProcessAndTheFileNamesTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "state")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line := make([]byte, len("locked\n"))
	_, err = out.Read(line)
	require.NoError(t, err)
	require.Equal(t, "locked\n", string(line))

	_, err = New(path).Lock()
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, path)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()

	worker, dead := begin(t, locked(t, path), "g", second)
	require.Equal(t, "worker-3", worker)
	require.Equal(t, []string{first}, dead)
	info, err := os.Stat(path)
	require.NoError(t, err)
	if info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the directory is open to others: %s", info.Mode())
	}
}

func TestTwoInOneProcessShareNoDirectory(t *testing.T) {
	path := t.TempDir()
	d := locked(t, path)
	_, err := New(path).Lock()
	require.ErrorIs(t, err, ErrInUse)
	_, err = d.Lock()
	require.NoError(t, err, "it has the lock already")
}

func TestWhoDiesBeforeItsClaimLeavesWhatItFound(t *testing.T) {
	path := t.TempDir()
	d := locked(t, path)
	begin(t, d, "g", first)
	require.NoError(t, d.Claimed("worker-3"))
	crash(t, d)
	d = locked(t, path)
	begin(t, d, "g", second)
	crash(t, d) // before it took anything over
	worker, dead := begin(t, locked(t, path), "g", third)
	require.Equal(t, "worker-3", worker)
	require.Equal(t, []string{first, second}, dead)
}

func TestACleanEndKeepsTheIDAndProvesNothing(t *testing.T) {
	path := t.TempDir()
	d := locked(t, path)
	begin(t, d, "g", first)
	require.NoError(t, d.Claimed("worker-3"))
	require.NoError(t, d.Close())
	require.Error(t, d.Claimed("worker-4"), "another may have the lock")
	worker, dead := begin(t, locked(t, path), "g", second)
	require.Equal(t, "worker-3", worker)
	require.Empty(t, dead)
}

func TestAnotherGroupsFileIsForgotten(t *testing.T) {
	path := t.TempDir()
	d := locked(t, path)
	begin(t, d, "g", first)
	require.NoError(t, d.Claimed("worker-3"))
	crash(t, d)
	worker, dead := begin(t, locked(t, path), "h", second)
	require.Empty(t, worker)
	require.Empty(t, dead)
}

func TestAProcessIsNotDeadBecauseItBeginsAnew(t *testing.T) {
	d := locked(t, t.TempDir())
	begin(t, d, "g", first)
	require.NoError(t, d.Claimed("worker-3"))
	worker, dead := begin(t, d, "g", second)
	require.Equal(t, "worker-3", worker)
	require.Empty(t, dead, "it lives")
	crash(t, d)
	_, dead = begin(t, locked(t, d.path), "g", third)
	require.Equal(t, []string{first, second}, dead)
}

func TestBadContentIsIgnoredAndSaid(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                "",
		"no JSON":              "worker-3",
		"a later format":       `{"format":2,"group":"g","worker":"worker-3"}`,
		"a holder of everyone": `{"format":1,"group":"g","worker":"worker-3","holders":[""]}`,
		"a short holder":       `{"format":1,"group":"g","worker":"worker-3","holders":["A/"]}`,
		"a chain":              `{"format":1,"group":"g","worker":"worker-3","holders":["AAAAAAAAAAAAAAAA/1/"]}`,
		"huge":                 strings.Repeat(" ", longest+1),
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(path, stateFile), []byte(text), 0o600))
			d := New(path)
			ignored, err := d.Lock()
			require.NoError(t, err)
			require.ErrorContains(t, ignored, stateFile)
			worker, dead := begin(t, d, "g", second)
			require.Empty(t, worker)
			require.Empty(t, dead)
			require.NoError(t, d.Close())
		})
	}
}

func TestADirectoryThatCannotBeUsedIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := New(filepath.Join(file, "below")).Lock()
	require.ErrorIs(t, err, ErrUnusable)
	require.ErrorContains(t, err, "StateDir is")
	require.ErrorContains(t, err, "allowed: a directory on a local file system")
}

func TestAFileThatCannotBeWrittenIsAnError(t *testing.T) {
	path := t.TempDir()
	d := locked(t, path)
	require.NoError(t, os.Mkdir(filepath.Join(path, stateFile+".new"), 0o700))
	_, _, err := d.Begin("g", first)
	require.ErrorIs(t, err, ErrUnusable)
}

// TestAFileUnderAnotherLockProvesNothing: the directory was copied, or somebody removed the lock file. Whoever holds the
// first lock may live.
func TestAFileUnderAnotherLockProvesNothing(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	d := New(first)
	_, err := d.Lock()
	require.NoError(t, err)
	_, _, err = d.Begin("g", "AAAAAAAAAAAAAAAA/")
	require.NoError(t, err)
	require.NoError(t, d.Claimed("worker-3"))
	text, err := os.ReadFile(filepath.Join(first, stateFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(second, stateFile), text, 0o600))
	require.NoError(t, os.Remove(filepath.Join(first, lockFile)))
	for _, path := range []string{first, second} {
		other := New(path)
		ignored, err := other.Lock()
		require.NoError(t, err)
		require.ErrorIs(t, ignored, errOtherLock)
		worker, dead, err := other.Begin("g", "BBBBBBBBBBBBBBBB/")
		require.NoError(t, err)
		require.Equal(t, "worker-3", worker)
		require.Empty(t, dead)
		require.NoError(t, other.Close())
	}
}
