// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const serverRole = "server"

// serve is the process of a server. setup is the path of its configuration.
func serve(setup string) error {
	opts, err := server.ProcessConfigFile(setup)
	if err != nil {
		return err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
	return nil
}

// Servers are one server, or a cluster.
type Servers struct {
	Processes []*Process
	URL       string
}

// StartServers starts servers that listen on free ports of the loopback interface and store below dir. It waits until they
// make a stream with as many replicas as there are servers.
func StartServers(ctx context.Context, dir string, count int) (*Servers, error) {
	ports, err := freePorts(2 * count)
	if err != nil {
		return nil, err
	}
	var urls, routes []string
	for i := range count {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
		routes = append(routes, fmt.Sprintf("\"nats://127.0.0.1:%d\"", ports[count+i]))
	}
	s := &Servers{URL: strings.Join(urls, ",")}
	for i := range count {
		file := filepath.Join(dir, fmt.Sprintf("n%d.conf", i))
		text := fmt.Sprintf("server_name: n%d\nlisten: \"127.0.0.1:%d\"\nlog_file: %q\njetstream { store_dir: %q }\n",
			i, ports[i], file+".log", filepath.Join(dir, fmt.Sprintf("store%d", i)))
		if count > 1 {
			text += fmt.Sprintf("cluster { name: c, listen: \"127.0.0.1:%d\", routes: [ %s ] }\n", ports[count+i], strings.Join(routes, ", "))
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		p, err := Start(serverRole, file)
		if err != nil {
			s.Stop()
			return nil, err
		}
		s.Processes = append(s.Processes, p)
	}
	if err := s.ready(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// ready waits until the servers make a stream, and removes it.
func (s *Servers) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := s.try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the servers are not ready: %w", err)
		}
	}
}

func (s *Servers) try(ctx context.Context) error {
	nc, err := nats.Connect(s.URL)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "READY", Replicas: len(s.Processes)}); err != nil {
		return err
	}
	return js.DeleteStream(ctx, "READY")
}

// Stop ends the servers.
func (s *Servers) Stop() {
	for _, p := range s.Processes {
		p.Kill()
	}
}

func freePorts(count int) (ports []int, err error) {
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
