// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package compare

import "time"

var begin = time.Now()

func clock() time.Duration { return time.Since(begin) }
