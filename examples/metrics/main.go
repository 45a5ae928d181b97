// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command metrics runs three workers with a server of their own, and serves what they measure to Prometheus.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/source"
	"github.com/parti-go/parti/strategy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, func(string) {}); err != nil {
		log.Fatal(err)
	}
}

// run serves the metrics of a fleet until ctx ends. It tells ready the address once everybody has joined.
func run(ctx context.Context, out io.Writer, ready func(url string)) error {
	server, err := embedded.Start()
	if err != nil {
		return err
	}
	defer server.Shutdown()
	nc, err := server.Connect(parti.ConnectOptions()...)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	joined := make(chan error, workers)
	for i := range workers {
		m, err := worker(js, registry, fmt.Sprintf("process-%d", i))
		if err != nil {
			return err
		}
		defer func() { _ = m.Close() }()
		go func() { joined <- m.Start(ctx) }()
	}
	for range workers {
		if err := <-joined; err != nil {
			return err
		}
	}
	return serve(ctx, out, registry, ready)
}

const workers = 3

// worker makes a worker with a provider of its own: its series differ by service.instance.id only.
func worker(js jetstream.JetStream, registry *prometheus.Registry, instance string) (*parti.Manager, error) {
	labels := attribute.NewAllowKeysFilter("service.instance.id")
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithResourceAsConstantLabels(labels), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	process := resource.NewSchemaless(attribute.String("service.instance.id", instance))
	provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(process))
	cfg := parti.DefaultConfig()
	cfg.ExpectedWorkers, cfg.ColdStartWindow, cfg.PlannedScaleWindow = workers, 5*time.Second, time.Second
	return parti.NewManager(cfg, js, source.Numbered("orders", 30), strategy.NewConsistentHash(), parti.WithMeterProvider(provider),
		parti.WithHandler(parti.HandlerFunc(work)))
}

// work stands for yours.
func work(ctx context.Context, _ *parti.Ownership) error {
	<-ctx.Done()
	return nil
}

func serve(ctx context.Context, out io.Writer, registry *prometheus.Registry, ready func(url string)) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	web := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = web.Close() })
	url := "http://" + listener.Addr().String() + "/metrics"
	fmt.Fprintf(out, "metrics are at %s\n", url)
	fmt.Fprintln(out, "look at parti_leader (one worker has 1), parti_partition_owned (30 in all), parti_partition_unowned (0)")
	go ready(url)
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
