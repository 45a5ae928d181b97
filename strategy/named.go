// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrUnknownStrategy says that [Named] cannot make a strategy from a description.
var ErrUnknownStrategy = errors.New("unknown strategy")

// maxDescription bounds a description in bytes: it is stored with every plan.
const maxDescription = 200

// maxNamed bounds the descriptions that Named reads, in bytes. They come from outside, and reading one costs more than its length.
const maxNamed = 1000

// Describe names a strategy and its settings, in the form that Named reads: sticky, hash, hash(bound=1.05,nodes=150),
// roundrobin, rendezvous, zoned(sticky,zone). The others are pinned(…) and pools(…), because a text cannot hold their pins
// and functions. Describe names a foreign strategy by its String method, or else by its type. The text has at most 200
// bytes.
func Describe(s Strategy) string {
	return cut(describe(s))
}

// cut shortens a text to maxDescription bytes.
func cut(text string) string {
	if len(text) <= maxDescription {
		return text
	}
	text = text[:maxDescription-len("…")]
	for range utf8.UTFMax {
		if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size != 1 {
			break
		}
		text = text[:len(text)-1] // a part of a character
	}
	return text + "…"
}

func describe(s Strategy) string {
	switch s := s.(type) {
	case nil:
		return "none"
	case *Sticky:
		return "sticky"
	case *RoundRobin:
		return "roundrobin"
	case *Rendezvous:
		return "rendezvous"
	case *ConsistentHash:
		return s.describe()
	case *Zoned:
		return "zoned(" + describe(s.inner) + "," + strconv.Quote(s.label) + ")"
	case *Pinned:
		return fmt.Sprintf("pinned(%s,%d pins)", describe(s.inner), len(s.pins))
	case *Pools:
		return "pools(" + describe(s.inner) + "," + strconv.Quote(s.label) + ")"
	case fmt.Stringer:
		return strings.ToValidUTF8(fmt.Sprint(s), "?") // contains a String that panics
	}
	return fmt.Sprintf("%T", s)
}

func (c *ConsistentHash) describe() string {
	usual := NewConsistentHash()
	var settings []string
	if c.bound != usual.bound {
		settings = append(settings, "bound="+strconv.FormatFloat(c.bound, 'g', -1, 64))
	}
	if c.virtualNodes != usual.virtualNodes {
		settings = append(settings, "nodes="+strconv.Itoa(c.virtualNodes))
	}
	if len(settings) == 0 {
		return "hash"
	}
	return "hash(" + strings.Join(settings, ",") + ")"
}

// Named returns the strategy that a description names: one of sticky, hash, roundrobin and rendezvous, hash with settings
// as in hash(bound=1.05,nodes=150), or zoned around one of them, as in zoned(sticky,zone). For every other text, and for a
// text of more than 1,000 bytes, it returns ErrUnknownStrategy. For a setting out of range it returns ErrInvalidOption.
func Named(description string) (Strategy, error) {
	if n := len(description); n > maxNamed {
		return nil, unknown(cut(description), fmt.Sprintf("it has %d bytes, more than %d", n, maxNamed))
	}
	name, settings, has := strings.Cut(strings.TrimSpace(description), "(")
	if has && !strings.HasSuffix(settings, ")") {
		return nil, unknown(description, "it has no closing parenthesis at its end")
	}
	settings = strings.TrimSuffix(settings, ")")
	switch {
	case name == "hash":
		return namedHash(description, settings)
	case name == "zoned":
		return namedZoned(description, settings)
	case has:
	case name == "sticky":
		return NewSticky(), nil
	case name == "roundrobin":
		return NewRoundRobin(), nil
	case name == "rendezvous":
		return NewRendezvous(), nil
	}
	return nil, unknown(description, "")
}

func unknown(description, why string) error {
	if why != "" {
		why = ": " + why
	}
	return fmt.Errorf("%w: %q%s, allowed: sticky, hash, hash(bound=1.1,nodes=150), roundrobin, rendezvous, zoned(sticky,LABEL)",
		ErrUnknownStrategy, description, why)
}

func namedHash(description, settings string) (Strategy, error) {
	var opts []Option
	for setting := range strings.SplitSeq(settings, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(setting), "=")
		bound, asFloat := strconv.ParseFloat(value, 64)
		nodes, asInt := strconv.Atoi(value)
		switch {
		case settings == "":
		case name == "bound" && asFloat == nil:
			opts = append(opts, WithLoadBound(bound))
		case name == "nodes" && asInt == nil:
			opts = append(opts, WithVirtualNodes(nodes))
		default:
			return nil, unknown(description, fmt.Sprintf("its setting %q is neither bound=NUMBER nor nodes=NUMBER", setting))
		}
	}
	c := NewConsistentHash(opts...)
	if c.err != nil {
		return nil, c.err
	}
	return c, nil
}

func namedZoned(description, settings string) (Strategy, error) {
	at := zoneComma(settings)
	if at < 0 {
		return nil, unknown(description, "zoned needs a strategy and the name of a label")
	}
	inner, err := Named(settings[:at])
	if err != nil {
		return nil, err
	}
	label := strings.TrimSpace(settings[at+1:])
	if quoted, err := strconv.Unquote(label); err == nil {
		label = quoted
	}
	if label == "" {
		return nil, unknown(description, "the name of its label is empty")
	}
	return NewZoned(inner, label), nil
}

// zoneComma is where the inner strategy of a zoned one ends: at the first comma outside parentheses; -1 for nowhere. The label
// may hold anything.
func zoneComma(settings string) int {
	depth := 0
	for i, c := range settings {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			return i
		}
	}
	return -1
}
