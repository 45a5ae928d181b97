// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/checker"
)

// binaries is where the worker is built, "" before.
var binaries string

// workerBinary builds the worker once.
var workerBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parti-process-")
	if err != nil {
		return "", err
	}
	binaries = dir
	file := filepath.Join(dir, "worker")
	out, err := exec.Command("go", "build", "-o", file, "github.com/parti-go/parti/examples/worker").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build the worker: %w: %s", err, out)
	}
	return file, err
})

// shortConfig is that of the worker processes.
const shortConfig = `
workerIDMax: 9
workerIDTTL: 6s
heartbeatInterval: 500ms
heartbeatTTL: 4s
leaderTTL: 2s
coldStartWindow: 2s
plannedScaleWindow: 500ms
rebalanceCooldown: 300ms
operationTimeout: 2s
shutdownTimeout: 5s
`

// crew is a group of worker processes on one server, under the checker.
type crew struct {
	t       *testing.T
	server  *node
	js      jetstream.JetStream // of no worker
	config  parti.Config
	file    string
	order   *order
	checker *checker.Checker

	mu    sync.Mutex
	procs []*child
}

// partitions is how many partitions a crew shares.
const partitions = 40

// newCrew returns a crew without workers on a server that is started.
func newCrew(t *testing.T, server *node) *crew {
	t.Helper()
	config, err := parti.LoadConfig(strings.NewReader(shortConfig))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(shortConfig), 0o600))
	c := &crew{
		t: t, server: server, js: connect(t, "observer", server.url()), config: config, file: file,
		order: newOrder(), checker: newChecker(t, config),
	}
	r := read(t, connect(t, "reader", server.url()), config.KVBuckets, c.checker)
	t.Cleanup(func() {
		c.close()
		r.close()
		c.checker.Finish()
	})
	return c
}

// close ends every process, and waits until all that they said is judged.
func (c *crew) close() {
	for _, p := range c.live() {
		p.signal(syscall.SIGCONT)
		p.signal(syscall.SIGTERM)
	}
	for _, p := range c.all() {
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			c.t.Errorf("%s has not ended 20 s after it was asked to", p.name)
			p.signal(syscall.SIGKILL)
			<-p.ended
		}
	}
	c.order.close()
}

// start begins n processes that connect to the URL.
func (c *crew) start(n int, url string, args ...string) []*child {
	c.t.Helper()
	var begun []*child
	for range n {
		begun = append(begun, c.startOne(append([]string{
			"-nats", url, "-config", c.file, "-json", "-v", "-partitions", fmt.Sprint(partitions),
		}, args...)))
	}
	return begun
}

func (c *crew) startOne(args []string) *child {
	c.t.Helper()
	binary, err := workerBinary()
	require.NoError(c.t, err)
	c.mu.Lock()
	p := &child{name: fmt.Sprintf("w%d", len(c.procs)+1), crew: c, ended: make(chan struct{}), state: string(parti.StateInit)}
	c.procs = append(c.procs, p)
	c.mu.Unlock()
	p.command = exec.Command(binary, args...)
	p.command.Stderr = &p.stderr
	out, err := p.command.StdoutPipe()
	require.NoError(c.t, err)
	c.order.at(time.Now(), func() { c.checker.Began(p.name) })
	require.NoError(c.t, p.command.Start())
	go p.read(out)
	return p
}

func (c *crew) all() []*child {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.procs)
}

// live returns the processes that have not ended.
func (c *crew) live() []*child {
	return slices.DeleteFunc(c.all(), func(p *child) bool {
		select {
		case <-p.ended:
			return true
		default:
			return false
		}
	})
}

// settle waits until every process but those excepted is stable and every partition has one live owner.
func (c *crew) settle(within time.Duration, but ...*child) {
	c.t.Helper()
	began := time.Now()
	c.order.catchUp()
	for {
		err := c.unsettled(but)
		if err == nil {
			return
		}
		if time.Since(began) >= within {
			c.t.Fatalf("not settled after %s: %v\nrecent events:\n%s", within, err, c.checker.Events())
		}
		<-time.After(poll)
	}
}

func (c *crew) unsettled(but []*child) error {
	for _, p := range c.live() {
		if s := p.currentState(); s != string(parti.StateStable) && !slices.Contains(but, p) {
			return fmt.Errorf("%s is %s", p.name, s)
		}
	}
	return c.checker.Complete(c.source())
}

func (c *crew) source() []string {
	var list []string
	for i := range partitions {
		list = append(list, fmt.Sprintf("orders.%02d", i))
	}
	return list
}

// leader returns the process that leads, by the entry in the store.
func (c *crew) leader() *child {
	kv, err := c.js.KeyValue(within(c.t, 2*time.Second), c.config.KVBuckets.Election)
	require.NoError(c.t, err)
	entry, err := kv.Get(within(c.t, 2*time.Second), "leader")
	require.NoError(c.t, err)
	var value struct{ Worker string }
	require.NoError(c.t, json.Unmarshal(entry.Value(), &value))
	for _, p := range c.live() {
		if p.workerID() == value.Worker {
			return p
		}
	}
	c.t.Fatalf("no process is the leader, %q", entry.Value())
	return nil
}

// follower returns a live process that does not lead.
func (c *crew) follower() *child {
	leader := c.leader()
	for _, p := range c.live() {
		if p != leader {
			return p
		}
	}
	c.t.Fatal("every process leads")
	return nil
}

// child is one worker process.
type child struct {
	name    string
	crew    *crew
	command *exec.Cmd
	stderr  bytes.Buffer // to be read when the process has ended
	ended   chan struct{}

	mu     sync.Mutex
	state  string
	worker string // last known ID
	lines  []line
}

// line is what a worker logs.
type line struct {
	Time           time.Time
	Level, Msg     string
	From, To       string
	Worker         string
	Term           uint64
	Version        int64
	Epochs         map[string]int64
	Added, Removed []string
	Partition      string
	Worked         time.Time
	Error          string
	text           string
}

// read hands everything that the process says to the checker, until the process has ended.
func (p *child) read(out io.Reader) {
	scan := bufio.NewScanner(out)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		l := line{text: scan.Text()}
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			p.crew.t.Errorf("%s: %v: %s", p.name, err, scan.Text())
			continue
		}
		p.mu.Lock()
		p.lines = append(p.lines, l)
		p.mu.Unlock()
		p.crew.order.at(l.Time, func() { p.judge(l) })
	}
	_ = p.command.Wait()
	ended := time.Now()
	p.crew.order.at(ended, func() { p.crew.checker.Ended(p.name) })
	close(p.ended)
}

// judge tells the checker of a line.
func (p *child) judge(l line) {
	c := p.crew.checker
	p.mu.Lock()
	if l.Worker != "" {
		p.worker = l.Worker
	}
	worker := p.worker
	if l.Msg == "state" {
		p.state = l.To
	}
	p.mu.Unlock()
	switch l.Msg {
	case "state":
		c.State(p.name, worker, l.From, l.To)
	case "hook called":
		c.Told(p.name, checker.Call{
			Worker: worker, Term: l.Term, Version: l.Version, Epochs: l.Epochs, Added: l.Added, Removed: l.Removed,
		})
	case "hook's context ended":
		c.Cancelled(p.name)
	case "hook returns":
		c.Returned(p.name)
	case "begun", "ended":
	default:
		c.Note("%s: %s", p.name, l.text)
	}
}

func (p *child) currentState() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *child) workerID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.worker
}

// said returns the lines since a time.
func (p *child) said(since time.Time) []line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.lines), func(l line) bool { return l.Time.Before(since) })
}

func (p *child) signal(s syscall.Signal) { _ = p.command.Process.Signal(s) }

// kill ends the process without goodbye.
func (p *child) kill() time.Time {
	now := time.Now()
	p.crew.order.at(now, func() { p.crew.checker.Died(p.name) })
	p.signal(syscall.SIGKILL)
	<-p.ended
	return now
}

// pause stops the process where it is.
func (p *child) pause() {
	p.signal(syscall.SIGSTOP)
	p.crew.order.at(time.Now(), func() { p.crew.checker.Froze(p.name) })
	p.crew.order.catchUp()
}

// resume lets it go on.
func (p *child) resume() time.Time {
	now := time.Now()
	p.crew.order.at(now, func() { p.crew.checker.Thawed(p.name) })
	p.signal(syscall.SIGCONT)
	return now
}

// order carries out what happened in several processes in the order of the times at which it happened. It waits with each
// for a while, because what happened before may be heard of later.
type order struct {
	mu      sync.Mutex
	waiting map[time.Time][]func()
	ends    chan struct{}
	work    sync.WaitGroup
}

// lateness is how much later one line may be heard of than another.
const lateness = 500 * time.Millisecond

func newOrder() *order {
	o := &order{waiting: map[time.Time][]func(){}, ends: make(chan struct{})}
	o.work.Go(func() {
		for {
			select {
			case <-time.After(poll):
				o.carryOut(time.Now().Add(-lateness))
			case <-o.ends:
				o.carryOut(time.Now().Add(time.Hour))
				return
			}
		}
	})
	return o
}

// at has something carried out in its turn.
func (o *order) at(when time.Time, do func()) {
	when = when.Round(0).UTC() // without the monotonic clock, which other processes do not share
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting[when] = append(o.waiting[when], do)
}

func (o *order) carryOut(until time.Time) {
	o.mu.Lock()
	var due []func()
	for _, at := range slices.SortedFunc(maps.Keys(o.waiting), time.Time.Compare) {
		if at.Before(until) {
			due = append(due, o.waiting[at]...)
			delete(o.waiting, at)
		}
	}
	o.mu.Unlock()
	for _, do := range due {
		do()
	}
}

// catchUp waits until everything that has happened before now is carried out.
func (o *order) catchUp() {
	done := make(chan struct{})
	o.at(time.Now(), func() { close(done) })
	<-done
}

// close carries out what is left.
func (o *order) close() {
	close(o.ends)
	o.work.Wait()
}
