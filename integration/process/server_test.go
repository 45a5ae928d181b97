// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/freeport"
)

// node is one server process, which can be killed and started again on the same directory and ports.
type node struct {
	t    testing.TB
	name string
	port int
	file string // its configuration
	log  string

	command *exec.Cmd
	stdin   interface{ Close() error }
	ended   chan struct{}
}

// newNode returns a node that is not started. The settings are lines of a server's configuration file.
func newNode(t testing.TB, name string, jetStream, settings string) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{t: t, name: name, port: freeport.Take(t), file: filepath.Join(dir, "conf"), log: filepath.Join(dir, "log")}
	text := fmt.Sprintf("server_name: %s\nlisten: \"127.0.0.1:%d\"\nlog_file: %q\njetstream { store_dir: %q\n%s }\n%s",
		name, n.port, n.log, filepath.Join(dir, "store"), jetStream, settings)
	require.NoError(t, os.WriteFile(n.file, []byte(text), 0o600))
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			t.Logf("%s: %s", name, n.lastWarnings())
		}
	})
	return n
}

// storeIn keeps the streams in another directory.
func (n *node) storeIn(dir string) {
	n.t.Helper()
	text, err := os.ReadFile(n.file)
	require.NoError(n.t, err)
	before := fmt.Sprintf("store_dir: %q", filepath.Join(filepath.Dir(n.file), "store"))
	require.Contains(n.t, string(text), before)
	require.NoError(n.t, os.WriteFile(n.file, []byte(strings.Replace(string(text), before, fmt.Sprintf("store_dir: %q", dir), 1)), 0o600))
}

// startServer starts one server without replicas and waits until it answers.
func startServer(t testing.TB, jetStream string) *node {
	t.Helper()
	n := newNode(t, "server", jetStream, "")
	n.start()
	eventually(t, 10*time.Second, "the server answers", n.answers)
	return n
}

func (n *node) address() string { return fmt.Sprintf("127.0.0.1:%d", n.port) }

func (n *node) url() string { return "nats://" + n.address() }

func (n *node) start() {
	n.t.Helper()
	binary, err := os.Executable()
	require.NoError(n.t, err)
	c := exec.Command(binary)
	c.Env = append(os.Environ(), serverVariable+"="+n.file)
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	require.NoError(n.t, err)
	require.NoError(n.t, c.Start())
	ended := make(chan struct{})
	n.command, n.stdin, n.ended = c, stdin, ended
	go func() {
		_ = c.Wait()
		close(ended)
	}()
}

// kill ends the process without goodbye and waits for its end.
func (n *node) kill() { n.end(syscall.SIGKILL) }

// stop asks the process to end in order and waits for its end.
func (n *node) stop() { n.end(syscall.SIGTERM) }

func (n *node) end(signal syscall.Signal) {
	if n.command == nil {
		return
	}
	_ = n.command.Process.Signal(signal)
	select {
	case <-n.ended:
	case <-time.After(20 * time.Second):
		_ = n.command.Process.Kill()
		<-n.ended
	}
	_ = n.stdin.Close()
	n.command = nil
}

func (n *node) answers() bool {
	c, err := net.DialTimeout("tcp", n.address(), time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// lastWarnings are the last lines of the server's log that say that something is wrong.
func (n *node) lastWarnings() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "[WRN]") || strings.Contains(line, "[ERR]") || strings.Contains(line, "[FTL]") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-10):], "")
}

// cluster is three server processes with their streams in files.
type cluster struct {
	t     testing.TB
	nodes []*node
	js    jetstream.JetStream // of no worker: for looking at the streams
}

// startCluster starts three servers and waits until they store a stream together.
func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t}
	ports := make([]int, 3)
	routes := ""
	for i := range ports {
		ports[i] = freeport.Take(t)
		routes += fmt.Sprintf("\"nats://127.0.0.1:%d\", ", ports[i])
	}
	for i, port := range ports {
		settings := fmt.Sprintf("cluster { name: c, listen: \"127.0.0.1:%d\", routes: [ %s ] }\n", port, strings.TrimSuffix(routes, ", "))
		c.nodes = append(c.nodes, newNode(t, fmt.Sprintf("n%d", i), "", settings))
	}
	for _, n := range c.nodes {
		n.start()
	}
	eventually(t, 10*time.Second, "every server answers", func() bool {
		return c.nodes[0].answers() && c.nodes[1].answers() && c.nodes[2].answers()
	})
	c.js = connect(t, "observer", c.url())
	eventually(t, 30*time.Second, "the cluster makes a stream", func() bool {
		_, err := c.js.CreateOrUpdateStream(within(t, 2*time.Second), jetstream.StreamConfig{
			Name: "READY", Subjects: []string{"ready"}, Replicas: 3,
		})
		return err == nil
	})
	return c
}

// url names all servers.
func (c *cluster) url() string {
	var urls []string
	for _, n := range c.nodes {
		urls = append(urls, n.url())
	}
	return strings.Join(urls, ",")
}

// leader returns the running server that leads a stream; nil while there is none.
func (c *cluster) leader(stream string) *node {
	s, err := c.js.Stream(within(c.t, 500*time.Millisecond), stream)
	if err != nil || s.CachedInfo().Cluster == nil {
		return nil
	}
	for _, n := range c.nodes {
		if n.name == s.CachedInfo().Cluster.Leader && n.command != nil {
			return n
		}
	}
	return nil
}

// awaitReplicas waits until every copy of the streams is up to date, and every server lives.
func (c *cluster) awaitReplicas(streams ...string) time.Duration {
	c.t.Helper()
	return eventually(c.t, time.Minute, "every replica is up to date", func() bool {
		for _, stream := range streams {
			s, err := c.js.Stream(within(c.t, 500*time.Millisecond), stream)
			if err != nil || s.CachedInfo().Cluster == nil || len(s.CachedInfo().Cluster.Replicas) != 2 {
				return false
			}
			for _, replica := range s.CachedInfo().Cluster.Replicas {
				if replica.Offline || !replica.Current {
					return false
				}
			}
		}
		return true
	})
}

// stepDown asks the leader of a stream to hand over, to the given server if it is not nil.
func (c *cluster) stepDown(stream string, to *node) {
	c.t.Helper()
	request := ""
	if to != nil {
		request = fmt.Sprintf(`{"placement":{"preferred":%q}}`, to.name)
	}
	before := c.leader(stream)
	eventually(c.t, 20*time.Second, "another server leads "+stream, func() bool {
		now := c.leader(stream)
		if now != nil && (to == nil && now != before || to != nil && now == to) {
			return true
		}
		if now == before {
			_, _ = c.js.Conn().RequestWithContext(within(c.t, 2*time.Second), "$JS.API.STREAM.LEADER.STEPDOWN."+stream, []byte(request))
		}
		return false
	})
}

// streams are those of the four buckets.
func streams(b parti.KVBuckets) []string {
	return []string{"KV_" + b.StableID, "KV_" + b.Election, "KV_" + b.Heartbeat, "KV_" + b.Assignment}
}

// connect opens a connection with the options that leases need.
func connect(t testing.TB, name, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, append(parti.ConnectOptions(), nats.Name(name), nats.RetryOnFailedConnect(true),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// within returns a context that ends after a while, or with the test.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
