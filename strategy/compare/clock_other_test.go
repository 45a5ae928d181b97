//go:build !unix

package compare

import "time"

var begin = time.Now()

func clock() time.Duration { return time.Since(begin) }
