// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/parti-go/parti/kv/embedded"
)

// serve is the process of the server.
func serve(in io.Reader, out io.Writer) error {
	orders, tell := json.NewDecoder(in), newSpeaker(out)
	setup, err := readSetup(orders)
	if err != nil {
		return err
	}
	s, err := embedded.Start(embedded.WithPort(embedded.RandomPort), embedded.WithStoreDir(setup.Dir))
	if err != nil {
		return err
	}
	tell.say(notice{Ready: &ready{URL: s.URL()}})
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil // the run is over, and nobody needs the files
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		if o.Sample {
			taken, err := sampleServer(s.NATS())
			if err != nil {
				return err
			}
			tell.say(notice{Sample: &taken})
		}
	}
}

func sampleServer(s *server.Server) (sample, error) {
	taken, err := usage()
	if err != nil {
		return sample{}, err
	}
	v, err := s.Varz(nil)
	if err != nil {
		return sample{}, fmt.Errorf("ask the server for its traffic: %w", err)
	}
	taken.Traffic = traffic{v.InMsgs, v.OutMsgs, v.InBytes, v.OutBytes}
	j, err := s.Jsz(&server.JSzOptions{Streams: true})
	if err != nil {
		return sample{}, fmt.Errorf("ask the server for its streams: %w", err)
	}
	for _, account := range j.AccountDetails {
		for _, stream := range account.Streams {
			taken.Streams = append(taken.Streams, stored{stream.Name, stream.State.Msgs, stream.State.Bytes, stream.State.LastSeq})
		}
	}
	slices.SortFunc(taken.Streams, func(a, b stored) int { return cmp.Compare(a.Name, b.Name) })
	return taken, nil
}
