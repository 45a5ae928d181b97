// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import "strings"

// reserved reports whether a header belongs to the server, so that it would change what storing the message means.
func reserved(name string) bool {
	return len(name) > 5 && strings.EqualFold(name[:5], "Nats-")
}
