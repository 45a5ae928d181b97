// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"fmt"

	"github.com/parti-go/parti/internal/inject"
	"github.com/parti-go/parti/internal/record"
)

// encode returns the value that is stored for a record.
func encode(t record.Token, r any) ([]byte, error) {
	value, err := record.Encode(t, r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotDone, err)
	}
	if change := inject.Encode.Load(); change != nil {
		value = (*change)(value)
	}
	return value, nil
}
