// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/choria-io/fisk"
)

// The parser does not say which flag has a wrong value. These values do.

// durationFlag is the value of a flag that is a duration.
type durationFlag struct {
	name string
	to   *time.Duration
}

func durationVar(flag *fisk.FlagClause, to *time.Duration) {
	flag.PlaceHolder("DURATION").SetValue(&durationFlag{flag.Model().Name, to})
}

// Set implements fisk.Value.
func (f *durationFlag) Set(text string) error {
	d, err := fisk.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("--%s is %.40q, allowed: a duration like 90m", f.name, text)
	}
	*f.to = d
	return nil
}

func (f *durationFlag) String() string { return f.to.String() }

// numberFlag is the value of a flag that is a whole number.
type numberFlag[N int | uint64] struct {
	name string
	to   *N
}

func numberVar[N int | uint64](flag *fisk.FlagClause, to *N) {
	flag.PlaceHolder("N").SetValue(&numberFlag[N]{flag.Model().Name, to})
}

// Set implements fisk.Value.
func (f *numberFlag[N]) Set(text string) error {
	var err error
	switch to := any(f.to).(type) {
	case *int:
		*to, err = strconv.Atoi(text)
	case *uint64:
		*to, err = strconv.ParseUint(text, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("--%s is %.40q, allowed: a whole number", f.name, text)
	}
	return nil
}

func (f *numberFlag[N]) String() string { return fmt.Sprint(*f.to) }
