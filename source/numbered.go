// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

// mostNumbered guards against a typing error.
const mostNumbered = 10_000_000

// Numbered returns a source that lists prefix.0 to prefix.(n-1). It pads the numbers with zeros to the same width, so that
// they sort: 12 partitions of "orders" are orders.00 to orders.11. An empty prefix leaves the number alone.
//
// The width is that of n-1. So a different number of digits renames every partition, and a group accepts that only from a
// source of a higher version (see [Versioned]). Every n from 101 to 1000 has the same width.
func Numbered(prefix string, n int) parti.PartitionSource {
	return parti.SourceFunc(func(context.Context) ([]parti.Partition, error) {
		if n < 1 || n > mostNumbered {
			return nil, argument("Numbered", "n", n, fmt.Sprintf("1 to %d", mostNumbered))
		}
		var keys []string
		if prefix != "" {
			keys = strings.Split(prefix, ".")
		}
		width := len(strconv.Itoa(n - 1))
		list := make([]parti.Partition, n)
		for i := range list {
			number := fmt.Sprintf("%0*d", width, i)
			list[i].Keys = append(keys[:len(keys):len(keys)], number)
		}
		if err := strategy.ValidatePartitions(list[n-1:]); err != nil {
			return nil, fmt.Errorf("source.Numbered: prefix is %q: %w", prefix, err)
		}
		return list, nil
	})
}
