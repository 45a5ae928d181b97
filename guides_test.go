// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
)

const partiModule = "github.com/parti-go/parti"

// programs are the whole programs in the guides, by the name of their binary.
var programs = map[string]string{"consumer": "README.md", "fleet": "docs/getting-started.md"}

// guides is where the programs of the guides are built, and the command parti beside them.
type guides struct{ dir string }

func (g guides) binary(name string) string { return filepath.Join(g.dir, "bin", name) }

// TestTheProgramsInTheGuidesRun builds them in a module of its own, as a reader does, without the network.
func TestTheProgramsInTheGuidesRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs programs")
	}
	t.Parallel()
	g := guides{t.TempDir()}
	root, err := os.Getwd()
	require.NoError(t, err)
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	files := map[string]string{"go.sum": string(sums), "go.mod": strings.Replace(string(mod), "module "+partiModule+"\n", fmt.Sprintf(
		"module example.com/guides\n\nrequire %s v0.0.0\n\nreplace %[1]s => %s\n", partiModule, root), 1)}
	for name, page := range programs {
		files[name+"/main.go"] = programIn(t, page)
	}
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(g.dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(g.binary(""), 0o700))
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", g.binary(""), "./...", partiModule+"/cmd/parti")
	build.Dir, build.Env = g.dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Run("the consumer of the README", g.consumer)
	t.Run("getting started", g.gettingStarted)
}

// programIn returns the whole program of a page.
func programIn(t *testing.T, page string) string {
	t.Helper()
	for _, b := range codeBlocks(t) {
		if b.file == page && strings.HasPrefix(b.text, "package main\n") {
			return b.text
		}
	}
	t.Fatalf("%s has no program", page)
	return ""
}

// process is a program of a guide, and what it has written.
type process struct {
	*exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
}

func (r *process) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(p)
}

func (r *process) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// count says how often the program has written something.
func (r *process) count(pattern string) int {
	return len(regexp.MustCompile(pattern).FindAllString(r.text(), -1))
}

// end interrupts the program, which has to end well.
func (r *process) end(t *testing.T) {
	t.Helper()
	require.NoError(t, r.Process.Signal(syscall.SIGTERM))
	require.NoError(t, r.Wait(), r.text())
}

func (g guides) start(t *testing.T, server *embedded.Server, name string) *process {
	t.Helper()
	r := &process{Cmd: exec.Command(g.binary(name))}
	r.Env = append(os.Environ(), "NATS_URL="+server.URL(), "PARTI_COLD_START_WINDOW=1s", "PARTI_PLANNED_SCALE_WINDOW=1s")
	r.Stdout, r.Stderr = r, r
	require.NoError(t, r.Start())
	t.Cleanup(func() {
		_ = r.Process.Kill()
		_ = r.Wait()
	})
	return r
}

func eventually(t *testing.T, what string, programs []*process, is func() bool) {
	t.Helper()
	if !assert.Eventually(t, is, 30*time.Second, 20*time.Millisecond, what) {
		for _, r := range programs {
			t.Log(r.text())
		}
		t.FailNow()
	}
}

func serverForGuides(t *testing.T) *embedded.Server {
	t.Helper()
	server, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
	require.NoError(t, err)
	t.Cleanup(server.Shutdown)
	return server
}

func TestTheCodeInTheDocsIsFormattedAndTheConsumerIsShort(t *testing.T) {
	for _, b := range codeBlocks(t) {
		formatted, err := format.Source([]byte(b.text))
		require.NoError(t, err, b)
		assert.Equal(t, string(formatted), b.text, "%s", b)
	}
	_, body, _ := strings.Cut(programIn(t, "README.md"), "func main() {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	require.LessOrEqual(t, strings.Count(body, "\n")+1, 25)
}

// consumer runs the program of the README beside a publisher.
func (g guides) consumer(t *testing.T) {
	t.Parallel()
	server := serverForGuides(t)
	consumer := g.start(t, server, "consumer")
	nc, err := server.Connect(parti.ConnectOptions()...)
	require.NoError(t, err)
	defer nc.Close()
	const customers = 20
	eventually(t, "the stream is there and takes orders", []*process{consumer}, func() bool {
		_, err := nc.RequestMsg(&nats.Msg{Subject: "orders.0", Data: []byte("order-0")}, 100*time.Millisecond)
		return err == nil
	})
	for i := 1; i < customers; i++ {
		_, err := nc.Request(fmt.Sprintf("orders.%d", i), fmt.Appendf(nil, "order-%d", i), 5*time.Second)
		require.NoError(t, err)
	}
	eventually(t, "each order is handled", []*process{consumer}, func() bool {
		return consumer.count(`(?m)^worker-0 orders\.[0-7] orders\.[0-7]\.\d+ order-\d+$`) >= customers
	})
	consumer.end(t)
}

// gettingStarted follows the page: two workers, the commands, a kill, a clean stop.
func (g guides) gettingStarted(t *testing.T) {
	t.Parallel()
	server := serverForGuides(t)
	begins, ends := `begin sensor\.\d\d, epoch \d+`, `end sensor\.\d\d: partition is handed to another worker`
	first := g.start(t, server, "fleet")
	eventually(t, "the first worker has all", []*process{first}, func() bool { return first.count(begins) >= 12 })
	second := g.start(t, server, "fleet")
	both := []*process{first, second}
	eventually(t, "they share", both, func() bool { return second.count(begins) >= 6 && first.count(ends) >= 6 })
	shown := commandsIn(t, "docs/getting-started.md")
	require.Len(t, shown, 5)
	look := func(n int, what string) {
		out := g.look(t, server, shown[n].line)
		require.Contains(t, out, what)
		head, _, _ := strings.Cut(out, "\n")
		require.Equal(t, strings.Fields(shown[n].head), strings.Fields(head), shown[n].line)
	}
	look(0, fmt.Sprint(first.Process.Pid))
	look(1, "sensor.11")
	look(2, "worker-1")
	require.NoError(t, second.Process.Kill())
	eventually(t, "the first worker has all again", both, func() bool { return first.count(begins) >= 12+6 })
	look(3, "lost worker-1")
	eventually(t, "the group is well", both, func() bool { return strings.HasPrefix(g.look(t, server, shown[4].line), "OK: sensors: 1 worker, ") })
	first.end(t)
}

// command is the command parti in a page: its arguments, and the first line that it is said to write.
type command struct{ line, head string }

func commandsIn(t *testing.T, page string) (shown []command) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, found := range regexp.MustCompile(`(?m)^\$ parti (.*)\n(.*)$`).FindAllStringSubmatch(string(text), -1) {
		shown = append(shown, command{found[1], found[2]})
	}
	return shown
}

// look runs the command parti as the page does, and returns what it writes.
func (g guides) look(t *testing.T, server *embedded.Server, line string) string {
	cmd := exec.CommandContext(t.Context(), g.binary("parti"), strings.Fields(line)...)
	cmd.Env = append(os.Environ(), "NATS_URL="+server.URL(), "XDG_CONFIG_HOME="+t.TempDir())
	out, _ := cmd.CombinedOutput() // who looks for something in it finds the error as well
	return string(out)
}
