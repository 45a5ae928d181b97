// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/kv"
)

// The names are those of the root package: that of a store rolled back is another in kv.
func TestAnErrorIsCountedUnderTheNameOfItsSentinel(t *testing.T) {
	for name, err := range map[string]error{
		"ErrIdentityLost": ErrIdentityLost, "ErrHandoffTimeout": ErrHandoffTimeout, "ErrStoreFull": kv.ErrFull, "ErrStuck": ErrStuck,
		"ErrFlapping": ErrFlapping, "ErrForeignGroup": ErrForeignGroup, "ErrStoreRolledBack": kv.ErrRolledBack,
	} {
		require.Equal(t, name, sentinelOf(fmt.Errorf("wrapped: %w", err)))
	}
	require.Equal(t, "ErrHandoffTimeout", sentinelOf(fmt.Errorf("%w: %w", ErrStuck, ErrHandoffTimeout)), "the cause, not that it is stuck")
	require.Equal(t, otherError, sentinelOf(errors.New("something else")))
}
