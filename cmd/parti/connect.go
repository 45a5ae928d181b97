// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/observe"
)

// connection is how to reach the server. The flags are named as those of the nats command are, so that they are handed on
// where this one is its plugin.
type connection struct {
	context, server, user, password, creds, nkey string
	tlsCert, tlsKey, tlsCA                       string
	domain, prefix, inbox                        string
	timeout                                      time.Duration
	timeoutSet                                   bool
}

func (c *connection) flags(cli *fisk.Application) {
	cli.Flag("context", "Use a context of the nats command").Envar("NATS_CONTEXT").PlaceHolder("NAME").StringVar(&c.context)
	cli.Flag("server", "URLs of NATS servers").Short('s').Envar("NATS_URL").PlaceHolder("URL").StringVar(&c.server)
	cli.Flag("user", "User name, or a token").Envar("NATS_USER").PlaceHolder("USER").StringVar(&c.user)
	cli.Flag("password", "Password of the user").Envar("NATS_PASSWORD").PlaceHolder("PASSWORD").StringVar(&c.password)
	cli.Flag("creds", "File with the user's credentials").Envar("NATS_CREDS").PlaceHolder("FILE").StringVar(&c.creds)
	cli.Flag("nkey", "File with the user's NKEY").Envar("NATS_NKEY").PlaceHolder("FILE").StringVar(&c.nkey)
	cli.Flag("tlscert", "File with the TLS certificate").Envar("NATS_CERT").PlaceHolder("FILE").StringVar(&c.tlsCert)
	cli.Flag("tlskey", "File with the TLS key").Envar("NATS_KEY").PlaceHolder("FILE").StringVar(&c.tlsKey)
	cli.Flag("tlsca", "File with the TLS certificate authorities").Envar("NATS_CA").PlaceHolder("FILE").StringVar(&c.tlsCA)
	cli.Flag("js-domain", "JetStream domain").Envar("NATS_JS_DOMAIN").PlaceHolder("DOMAIN").StringVar(&c.domain)
	cli.Flag("js-api-prefix", "Prefix of the subjects of JetStream's API").Envar("NATS_JS_API_PREFIX").
		PlaceHolder("SUBJECT").StringVar(&c.prefix)
	cli.Flag("inbox-prefix", "Prefix of the subjects of answers").Envar("NATS_INBOX_PREFIX").PlaceHolder("SUBJECT").StringVar(&c.inbox)
	durationVar(cli.Flag("timeout", "How long to wait for the server and for workers (default 5s; 5m for drain)").
		Envar("NATS_TIMEOUT").Default("5s").IsSetByUser(&c.timeoutSet), &c.timeout)
}

func (c *connection) options() (opts []nats.Option, err error) {
	opts = append(opts, nats.Name("parti command"), nats.Timeout(c.timeout), nats.MaxReconnects(-1),
		nats.ReconnectWait(250*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // what matters is returned by the call that failed
	opts = append(opts, servers(c.server))
	switch {
	case c.user != "" && c.password == "":
		opts = append(opts, nats.Token(c.user))
	case c.user != "":
		opts = append(opts, nats.UserInfo(c.user, c.password))
	case c.creds != "":
		opts = append(opts, nats.UserCredentials(c.creds))
	case c.nkey != "":
		seed, err := nats.NkeyOptionFromSeed(c.nkey)
		if err != nil {
			return nil, fmt.Errorf("--nkey %s: %w", c.nkey, err)
		}
		opts = append(opts, seed)
	}
	if (c.tlsCert == "") != (c.tlsKey == "") {
		return nil, errors.New("--tlscert and --tlskey: one of them is missing, allowed: both or none")
	}
	if c.tlsCert != "" {
		opts = append(opts, nats.ClientCert(c.tlsCert, c.tlsKey))
	}
	if c.tlsCA != "" {
		opts = append(opts, nats.RootCAs(c.tlsCA))
	}
	if c.inbox != "" {
		opts = append(opts, nats.CustomInboxPrefix(c.inbox))
	}
	return opts, nil
}

// servers replaces the servers of a context, where some are given. Where there is neither, it is the server of this machine.
func servers(urls string) nats.Option {
	return func(o *nats.Options) error {
		switch known := strings.Join(o.Servers, ""); {
		case urls != "":
			o.Url, o.Servers = "", strings.Split(strings.ReplaceAll(urls, " ", ""), ",")
		case known == "" && o.Url == "":
			o.Servers = []string{nats.DefaultURL}
		}
		return nil
	}
}

// link is a connection to the server, and the group that is meant.
type link struct {
	js  jetstream.JetStream
	cfg parti.Config
}

// connect reads the configuration and connects to the server. The caller closes the connection.
func (a *app) connect(ctx context.Context) (*link, error) {
	cfg, err := a.group.config()
	if err != nil {
		return nil, err
	}
	js, err := a.connection.jetStream(ctx)
	if err != nil {
		return nil, err
	}
	return &link{js: js, cfg: cfg}, nil
}

func (c *connection) jetStream(ctx context.Context) (jetstream.JetStream, error) {
	if c.timeout <= 0 {
		return nil, fmt.Errorf("--timeout is %s, allowed: more than 0", c.timeout)
	}
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	type result struct {
		nc       *nats.Conn
		settings natscontext.Settings
		err      error
	}
	done := make(chan result, 1)
	go func() { // it takes no context; each server is tried for --timeout at most
		var r result
		r.nc, r.settings, r.err = natscontext.Connect(c.context, opts...)
		done <- r
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		return nil, fmt.Errorf("connect: %w", context.Cause(ctx))
	}
	if r.err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.where(), r.err)
	}
	if err := mayHear(ctx, r.nc); err != nil {
		r.nc.Close()
		return nil, fmt.Errorf("connect to %s: %w", c.where(), err)
	}
	domain, prefix := c.domain, c.prefix
	if domain == "" && prefix == "" {
		domain, prefix = r.settings.JSDomain, r.settings.JSAPIPrefix
	}
	js, err := newJetStream(r.nc, domain, prefix)
	if err != nil {
		r.nc.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return js, nil
}

// mayHear reports a user who gets no answers, for whom every server looks slow.
func mayHear(ctx context.Context, nc *nats.Conn) error {
	before := nc.LastError()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox + ".*") // as requests do
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.FlushWithContext(ctx); err != nil {
		return err
	}
	if after := nc.LastError(); after != before && errors.Is(after, nats.ErrPermissionViolation) { //nolint:errorlint // the same twice is two errors
		prefix, _, _ := strings.Cut(inbox, ".")
		return fmt.Errorf("%w: the user of this connection may not subscribe to \"%s.>\", so no answer reaches it: give it that permission, "+
			"or say with --inbox-prefix to what it may subscribe", kv.ErrPermission, prefix)
	}
	return nil
}

func newJetStream(nc *nats.Conn, domain, prefix string) (jetstream.JetStream, error) {
	switch {
	case prefix != "":
		return jetstream.NewWithAPIPrefix(nc, prefix)
	case domain != "":
		return jetstream.NewWithDomain(nc, domain)
	}
	return jetstream.New(nc)
}

// where names the server for errors.
func (c *connection) where() string {
	switch {
	case c.server != "":
		return c.server
	case c.context != "":
		return "the server of context " + c.context
	}
	return "the server of the selected context, or " + nats.DefaultURL
}

func (l *link) close() { l.js.Conn().Close() }

// nowhere names the bucket that a group without buckets lacks.
func (l *link) nowhere(ctx context.Context, err error) error {
	b := l.cfg.KVBuckets
	for _, bucket := range []string{b.StableID, b.Election, b.Heartbeat, b.Assignment} {
		if _, is := l.js.Stream(ctx, "KV_"+bucket); errors.Is(is, jetstream.ErrStreamNotFound) {
			return noGroup(l.cfg, bucket)
		}
	}
	return err // it was made in this moment
}

func noGroup(cfg parti.Config, bucket string) error {
	text := fmt.Sprintf("no such group (bucket %q does not exist); `parti ls` lists the groups", bucket)
	if cfg.Group != "" {
		text = cfg.Group + ": " + text
	}
	return reworded{text, observe.ErrNoGroup}
}

// reworded is an error in other words.
type reworded struct {
	text string
	err  error
}

func (r reworded) Error() string { return r.text }

func (r reworded) Unwrap() error { return r.err }

// observe looks at the group. The caller closes the observer.
func (l *link) observe(ctx context.Context) (*observe.Observer, error) {
	o, err := observe.Open(ctx, l.js, l.cfg)
	if errors.Is(err, observe.ErrNoGroup) {
		return nil, l.nowhere(ctx, err)
	}
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return o, err
}

// observed connects, looks at the group and calls f. What f gets ends with it.
func (a *app) observed(ctx context.Context, f func(ctx context.Context, l *link, o *observe.Observer) error) error {
	bounded, cancel := a.bounded(ctx)
	defer cancel()
	l, err := a.connect(bounded)
	if err != nil {
		return err
	}
	defer l.close()
	o, err := l.observe(bounded)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }()
	return f(ctx, l, o)
}

// group says which group is meant.
type group struct {
	name, file                                string
	stableID, election, heartbeat, assignment string
	prefix                                    string
	least, most                               int
	leastSet, mostSet                         bool
}

func (g *group) flags(cli *fisk.Application) {
	cli.Flag("group", "Name of the group, Config.Group").Short('g').Envar("PARTI_GROUP").PlaceHolder("NAME").StringVar(&g.name)
	cli.Flag("config", "YAML file with the configuration of the workers").Envar("PARTI_CONFIG").PlaceHolder("FILE").StringVar(&g.file)
	cli.Flag("stableid-bucket", "Name of the bucket of IDs").PlaceHolder("BUCKET").StringVar(&g.stableID)
	cli.Flag("election-bucket", "Name of the bucket of the election").PlaceHolder("BUCKET").StringVar(&g.election)
	cli.Flag("heartbeat-bucket", "Name of the bucket of heartbeats").PlaceHolder("BUCKET").StringVar(&g.heartbeat)
	cli.Flag("assignment-bucket", "Name of the bucket of assignments").PlaceHolder("BUCKET").StringVar(&g.assignment)
	cli.Flag("worker-id-prefix", "Prefix of the workers' IDs").PlaceHolder("PREFIX").StringVar(&g.prefix)
	numberVar(cli.Flag("worker-id-min", "Lowest number of a worker's ID").IsSetByUser(&g.leastSet), &g.least)
	numberVar(cli.Flag("worker-id-max", "Highest number of a worker's ID").IsSetByUser(&g.mostSet), &g.most)
}

// config reads the file and the environment of the workers; a flag overrides both.
func (g *group) config() (cfg parti.Config, err error) {
	var file io.Reader
	where := "environment"
	if g.file != "" {
		f, err := os.Open(g.file)
		if err != nil {
			return cfg, fmt.Errorf("--config: %w", err)
		}
		defer func() { _ = f.Close() }()
		file, where = f, "--config "+g.file
	}
	if cfg, err = parti.LoadConfig(file); err != nil {
		return cfg, fmt.Errorf("%s: %w", where, err)
	}
	if g.name != "" {
		if g.name != cfg.Group { // the names of that group are not those of this one
			cfg.KVBuckets.StableID, cfg.KVBuckets.Election, cfg.KVBuckets.Heartbeat, cfg.KVBuckets.Assignment = "", "", "", ""
		}
		cfg.Group = g.name
	}
	for field, value := range map[*string]string{
		&cfg.KVBuckets.StableID: g.stableID, &cfg.KVBuckets.Election: g.election, &cfg.KVBuckets.Heartbeat: g.heartbeat,
		&cfg.KVBuckets.Assignment: g.assignment, &cfg.WorkerIDPrefix: g.prefix,
	} {
		if value != "" {
			*field = value
		}
	}
	if g.leastSet {
		cfg.WorkerIDMin = g.least
	}
	if g.mostSet {
		cfg.WorkerIDMax = g.most
	}
	cfg.ApplyDefaults()
	return cfg, cfg.Validate()
}
