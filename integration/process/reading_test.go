// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/consume"
	"github.com/parti-go/parti/strategy"
)

// readerVariable says, in JSON, which worker this binary is to be, instead of running tests.
const readerVariable = "PARTITEST_PROCESS_READER"

// readerSetup is what such a worker is told.
type readerSetup struct {
	Name, URL, Sink string
	Copies          int // of each stream
}

// reading is the process of such a worker.
type reading struct {
	name    string
	command *exec.Cmd
	stdin   io.Closer
	stderr  spoken
	ended   chan struct{}
}

// spoken is what a process has said so far.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (s *spoken) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(text)
}

// String implements fmt.Stringer.
func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (r *readers) start(name string) {
	r.t.Helper()
	binary, err := os.Executable()
	require.NoError(r.t, err)
	setup, err := json.Marshal(readerSetup{name, r.url, r.sink.url, r.copies})
	require.NoError(r.t, err)
	p := &reading{name: name, command: exec.Command(binary), ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), readerVariable+"="+string(setup))
	p.command.Stderr = &p.stderr
	p.stdin, err = p.command.StdinPipe() // the process ends with it
	require.NoError(r.t, err)
	require.NoError(r.t, p.command.Start())
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	r.procs = append(r.procs, p)
}

func (p *reading) signal(s syscall.Signal) { _ = p.command.Process.Signal(s) }

// kill ends the process without goodbye.
func (p *reading) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
	_ = p.stdin.Close()
}

// said is what the processes have reported.
func (r *readers) said() (lines []string) {
	for _, p := range r.procs {
		lines = append(lines, strings.Split(p.stderr.String(), "\n")...)
	}
	return lines
}

// neverDoubtedAStream checks that nobody took a stream for another one, or for one that cannot be used.
func (r *readers) neverDoubtedAStream() {
	r.t.Helper()
	said := strings.Join(r.said(), "\n")
	for _, err := range []error{consume.ErrStream, consume.ErrStreamChanged} {
		require.NotContains(r.t, said, err.Error())
	}
}

// readStreams is the process of a worker.
func readStreams(text string) error {
	var s readerSetup
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	nc, err := nats.Connect(s.URL, append(parti.ConnectOptions(), nats.Name(s.Name))...)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	handler, err := s.handler(js)
	if err != nil {
		return err
	}
	cfg, err := parti.LoadConfig(strings.NewReader(shortConfig))
	if err != nil {
		return err
	}
	if s.Copies > 1 {
		cfg = parti.ClusteredConfig()
		cfg.ExpectedWorkers = 4
	}
	var list []parti.Partition
	for i := range readPartitions {
		list = append(list, parti.Partition{Keys: []string{readPartition(i)}})
	}
	w, err := parti.NewManager(cfg, js, parti.StaticSource(list...), strategy.NewSticky(), parti.WithHandler(handler),
		parti.WithLogger(slog.New(slog.DiscardHandler)),
		parti.WithHooks(parti.Hooks{OnError: func(_ context.Context, err error) {
			fmt.Fprintln(os.Stderr, time.Now().Format(time.StampMilli), err)
		}}))
	if err != nil {
		return err
	}
	if err := w.Start(context.Background()); err != nil {
		return err
	}
	<-w.Done()
	return errors.Join(errors.New("the worker ended"), w.Err())
}

// handler is the user's code.
func (s readerSetup) handler(js jetstream.JetStream) (parti.Handler, error) {
	cfg := consume.Config{
		Stream: "IN", Subject: func(p parti.Partition) string { return inputOf(p.ID()) }, Every: 20, Interval: 300 * time.Millisecond,
		Retry: consume.Retry{First: 10 * time.Millisecond, Most: 500 * time.Millisecond, Attempts: 1000},
	}
	stream, err := consume.Stream(js, cfg, s.tell)
	if err != nil {
		return nil, err
	}
	cfg.Stream, cfg.Mode = "QUEUE", consume.Durable
	queue, err := consume.Stream(js, cfg, s.tell)
	if err != nil {
		return nil, err
	}
	cfg.Stream, cfg.Mode, cfg.Every = "IN", consume.Checkpoint, 200
	pipeline, err := consume.Pipeline(js, cfg, consume.Output{Stream: "OUT", Position: func(p parti.Partition) string { return "pos." + p.ID() }},
		func(_ context.Context, o *parti.Ownership, m consume.Message) ([]*nats.Msg, error) {
			return []*nats.Msg{{Subject: "out." + o.Partition().ID(), Data: m.Data()}}, nil
		})
	if err != nil {
		return nil, err
	}
	return parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		return []parti.Handler{stream, queue, pipeline}[kindOf(o.Partition().ID())].Run(ctx, o)
	}), nil
}

// tell hands an effect to the sink.
func (s readerSetup) tell(ctx context.Context, o *parti.Ownership, m consume.Message) error {
	n, err := strconv.Atoi(string(m.Data()))
	if err != nil {
		return err
	}
	e := effect{Process: s.Name, Partition: o.Partition().ID(), Epoch: o.Epoch(), Position: m.Position(), Number: n}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Sink, bytes.NewReader(e.encode()))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the sink says %s", answer.Status)
	}
	return nil
}
