// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/parti-go/parti"
)

// settings is what a run is made of.
type settings struct {
	partitions int
	rate       float64       // messages a second for each partition
	length     time.Duration // of each part
	ackWait    time.Duration // of pcgroups
	config     parti.Config  // of Parti
	stop       bool          // Parti: a clean leave is a Stop
}

func (s settings) validate() error {
	switch {
	case s.partitions < 4:
		return fmt.Errorf("partitions is %d, allowed: 4 or more", s.partitions)
	case s.rate <= 0:
		return fmt.Errorf("rate is %g, allowed: more than 0", s.rate)
	case s.length < time.Second:
		return fmt.Errorf("length is %s, allowed: 1s or more", s.length)
	}
	return s.config.Validate()
}

// key is the subject's last token: what messages are kept in order by.
func key(i int) string { return fmt.Sprintf("k%03d", i) }
