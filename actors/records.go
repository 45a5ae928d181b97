package actors

import (
	"strings"

	"github.com/parti-go/parti/strategy"
)

// partition is the partition that an ID names.
func partition(id string, weight int64) strategy.Partition {
	return strategy.Partition{Keys: strings.Split(id, "."), Weight: weight}
}
