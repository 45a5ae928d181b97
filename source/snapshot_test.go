// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func TestAnAnswerOfAReplicaThatIsBehindIsNoList(t *testing.T) {
	end := func(pending, upTo string) *nats.Msg {
		return &nats.Msg{Header: nats.Header{"Nats-Num-Pending": {pending}, "Nats-UpTo-Sequence": {upTo}}}
	}
	require.NoError(t, complete(end("0", "7"), 7))
	require.NoError(t, complete(end("0", "8"), 7))
	require.ErrorIs(t, complete(end("0", "6"), 7), errBehind)
	require.ErrorContains(t, complete(end("3", "7"), 7), "too large")
	require.Error(t, complete(end("0", ""), 7))
}
