// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func TestAServerThatIsAwayIsSaidInPlainWords(t *testing.T) {
	for _, err := range []error{outcome(nats.ErrReconnectBufExceeded), notDone(nats.ErrReconnectBufExceeded)} {
		require.ErrorIs(t, err, ErrNotDone)
		require.EqualError(t, err, "not done: not connected to the server")
	}
}
