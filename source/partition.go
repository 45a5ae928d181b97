// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

// mostProblems is the largest number of problems in one error.
const mostProblems = 5

// builder builds a list and collects its problems.
type builder struct {
	source   string // for errors
	list     []parti.Partition
	places   map[string]string // where each ID was seen first
	problems []error
	more     int // problems that are not told
}

func newBuilder(source string) *builder { return &builder{source: source, places: map[string]string{}} }

// add parses a partition. place says where it stands, for errors.
func (b *builder) add(place, id, weight string) {
	p := parti.Partition{Keys: strings.Split(id, ".")}
	if err := strategy.ValidatePartitions([]parti.Partition{p}); err != nil {
		b.problem(fmt.Errorf("%s: %q cannot be the ID of a partition: %w", place, id, err))
		return
	}
	if first, twice := b.places[id]; twice {
		b.problem(fmt.Errorf("%w: %q is in %s and in %s, allowed: each ID once", parti.ErrDuplicateID, id, first, place))
		return
	}
	b.places[id] = place
	if weight != "" {
		n, err := strconv.ParseInt(weight, 10, 64)
		if err != nil || n < 1 || n > strategy.MaxWeight {
			b.problem(fmt.Errorf("%w: %s: the weight of %q is %q, allowed: none (the default of 100), or 1 to %d",
				parti.ErrInvalidWeight, place, id, weight, int64(strategy.MaxWeight)))
			return
		}
		p.Weight = n
	}
	b.list = append(b.list, p)
}

func (b *builder) problem(err error) {
	if len(b.problems) == mostProblems {
		b.more++
		return
	}
	b.problems = append(b.problems, err)
}

// done returns the list, or all its problems.
func (b *builder) done() ([]parti.Partition, error) {
	if b.more > 0 {
		b.problems = append(b.problems, fmt.Errorf("and %d more problems", b.more))
	}
	switch {
	case len(b.problems) > 0:
		return nil, fmt.Errorf("%s: %w", b.source, errors.Join(b.problems...))
	case len(b.list) == 0:
		return nil, fmt.Errorf("%s: %w, allowed: at least one", b.source, parti.ErrNoPartitions)
	}
	return b.list, nil
}

// argument is the error of an argument that is not allowed.
func argument(constructor, name string, value any, allowed string) error {
	return fmt.Errorf("%w: source.%s: %s is %v, allowed: %s", parti.ErrInvalidConfig, constructor, name, value, allowed)
}

// missing is the error of an argument that is nil.
func missing(constructor, name, allowed string) error {
	return fmt.Errorf("%w: source.%s: %s is nil, allowed: %s", parti.ErrNilArgument, constructor, name, allowed)
}
