// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"strings"

	"github.com/parti-go/parti/strategy"
)

// named returns the partition that an ID names.
func named(id string, weight int64) strategy.Partition {
	return strategy.Partition{Keys: strings.Split(id, "."), Weight: weight}
}
