// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package statedir keeps what a worker has to know about the process before it. It uses a directory with a lock that lives
// exactly as long as a process, and with a file that names the entries of that process in the store.
//
// The operating system releases the lock when the process dies, however it dies, and at no other time unless the process asks
// for it. So whoever acquires the lock knows that the process that wrote the file is dead. That is true only on a local file
// system; [Dir.Lock] refuses others.
package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

var (
	// ErrInUse says that another process, or another worker of this one, holds the lock.
	ErrInUse = errors.New("state directory is in use")
	// ErrUnusable says that the directory cannot be used: it is not on a local file system, or cannot be written.
	ErrUnusable  = errors.New("state directory cannot be used")
	errClosed    = errors.New("state directory is closed") // whoever holds the lock now owns the file
	errOtherLock = errors.New("it was written under another lock: before a reboot, on another machine, or in the directory from which this one was copied")
	errNotLocked = errors.New("state directory is not locked") // a bug of ours
)

const (
	lockFile  = "lock"
	stateFile = "identity.json"
	format    = 1
	longest   = 64 << 10 // bytes of a file that is read
	shortest  = 10       // bytes of a holder: a shorter one could begin the tokens of others
	mostDead  = 16       // processes in a row that died before they had an ID
)

// State is the content of the file.
type State struct {
	Format int `json:"format"`
	// Group identifies the buckets, including their incarnation.
	Group string `json:"group"`
	// Worker is the last ID of the process; "" before its first.
	Worker string `json:"worker"`
	// Seal identifies the lock under which this was written, see seal. Under another lock the file proves nothing.
	Seal string `json:"seal"`
	// Holders are the prefixes of the tokens that the process has written to the store, and of those of earlier processes whose
	// entries it had not taken over yet. The list is empty if the file proves nothing, because the worker has left.
	Holders []string `json:"holders"`
}

// Dir is a state directory. Its methods may be called from any goroutine; they read and write files.
type Dir struct {
	path string

	mu     sync.Mutex
	lock   *flock.Flock // nil before Lock
	closed bool
	seal   string
	own    []string // holders of this process, oldest first
	state  State    // as it is in the file
}

// New returns the directory of a path without touching it.
func New(path string) *Dir { return &Dir{path: path} }

// Lock creates the directory if it is missing, and acquires its lock. It does not wait. If the lock is held already, it does
// nothing. ignored is the reason why the file there cannot be relied on; nil if it can, or if there is none.
func (d *Dir) Lock() (ignored, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, errClosed
	case d.lock != nil:
		return nil, nil
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return nil, d.unusable(err)
	}
	if err := local(d.path); err != nil {
		return nil, d.unusable(err)
	}
	lock := flock.New(filepath.Join(d.path, lockFile))
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, d.unusable(err)
	case !held:
		return nil, fmt.Errorf("%w: StateDir is %q, allowed: one directory for each worker", ErrInUse, d.path)
	}
	if d.seal, err = seal(lock.Path()); err != nil {
		return nil, errors.Join(d.unusable(err), lock.Unlock())
	}
	d.lock = lock
	d.state, ignored = read(filepath.Join(d.path, stateFile))
	if len(d.state.Holders) > 0 && d.state.Seal != d.seal {
		d.state.Holders = nil
		ignored = errOtherLock
	}
	return ignored, nil
}

func (d *Dir) unusable(err error) error {
	return fmt.Errorf("%w: StateDir is %q, allowed: a directory on a local file system that this process may write: %w", ErrUnusable, d.path, err)
}

func read(name string) (State, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return State{}, nil
	case err == nil && info.Size() > longest:
		err = fmt.Errorf("it has %d bytes, allowed: %d", info.Size(), longest)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(name)
	}
	var s State
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return State{}, fmt.Errorf("read %s: %w", name, err)
	}
	return s, nil
}

// check refuses content that could match entries of other processes.
func (s State) check() error {
	if s.Format != format {
		return fmt.Errorf("its format is %d, allowed: %d", s.Format, format)
	}
	for _, h := range s.Holders {
		if len(h) < shortest || strings.IndexByte(h, '/') != len(h)-1 {
			return fmt.Errorf("%q is not a holder", h)
		}
	}
	return nil
}

// Begin notes, before this process writes anything, that it writes to a group under the name of a holder. It returns the ID
// that the previous process had in that group, and the holders of dead processes. It drops what the file says about another
// group, or about another incarnation of its buckets.
func (d *Dir) Begin(group, holder string) (worker string, dead []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := State{Group: group}
	if d.state.Group == group {
		next.Worker = d.state.Worker
		for _, h := range d.state.Holders {
			if h != holder && !slices.Contains(d.own, h) {
				dead = append(dead, h)
			}
		}
		dead = dead[max(0, len(dead)-mostDead):]
	}
	if !slices.Contains(d.own, holder) {
		d.own = append(d.own, holder)
	}
	next.Holders = slices.Concat(dead, d.own)
	return next.Worker, dead, d.write(next)
}

// Claimed notes the ID of this process. The entries of the dead processes are taken over by now, or of no use any more.
func (d *Dir) Claimed(worker string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.write(State{Group: d.state.Group, Worker: worker, Holders: d.own})
}

// Close makes the file prove nothing, and then releases the lock, because this process may live on and still run what the
// worker could not stop. The ID stays in the file. If the file can neither be written nor removed, Close keeps the lock until
// the process ends, and its error says so.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.lock == nil {
		d.closed = true
		return nil
	}
	err := d.write(State{Group: d.state.Group, Worker: d.state.Worker})
	d.closed = true
	if err != nil {
		if gone := os.Remove(filepath.Join(d.path, stateFile)); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			return fmt.Errorf("%w: its lock is kept until this process ends", err)
		}
	}
	return d.lock.Unlock()
}

// write replaces the file as a whole: after a crash there is the old one or the new one.
func (d *Dir) write(s State) error {
	switch {
	case d.closed:
		return errClosed
	case d.lock == nil:
		return errNotLocked
	}
	s.Format, s.Seal = format, d.seal
	text, err := json.Marshal(s)
	if err == nil {
		err = replace(filepath.Join(d.path, stateFile), append(text, '\n'))
	}
	if err != nil {
		return d.unusable(err)
	}
	d.state = s
	return nil
}

func replace(name string, text []byte) error {
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	syncDirectory(filepath.Dir(name))
	return nil
}

// syncDirectory makes a rename durable. On a system that cannot sync a directory (Windows) it does what is possible.
func syncDirectory(path string) {
	if f, err := os.Open(path); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}
