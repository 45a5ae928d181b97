// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPrometheusReadsTheFleet(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text := make(chan string, 1)
	require.NoError(t, run(ctx, t.Output(), func(url string) {
		defer cancel()
		answer, err := http.Get(url) //nolint:noctx // run ends it
		if err != nil {
			return
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		text <- string(body)
	}))
	got := <-text
	require.Equal(t, 3, strings.Count(got, "\nparti_partition_owned{"), got)
	require.Contains(t, got, `service_instance_id="process-2"`)
	require.Contains(t, got, "parti_lease_remaining_seconds{")
	require.Contains(t, got, "parti_heartbeat_duration_seconds_bucket{")
}
