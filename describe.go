// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/parti-go/parti/strategy"
)

// describePatience is how long a strategy may take to describe itself.
const describePatience = time.Second

// describe names a strategy for the plans. One of the user's has a String method that may hang: such a strategy is named by
// its type, and a warning says so.
func describe(s Strategy, log *slog.Logger) string {
	said := make(chan string, 1)
	go func() { said <- strategy.Describe(s) }()
	patience := time.NewTimer(describePatience)
	defer patience.Stop()
	select {
	case text := <-said:
		return text
	case <-patience.C:
		name := fmt.Sprintf("%T", s)
		log.Warn("the String method of the strategy does not return; plans name the strategy by its type", "strategy", name, "waited", describePatience)
		return name
	}
}
