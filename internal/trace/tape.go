// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/parti-go/parti/internal/leader"
)

// Tape writes down one value. It belongs to whoever steps the value. A nil tape records nothing.
type Tape struct {
	recorder *Recorder
	kind     Kind
	life     uint64
	epoch    time.Time // when the value was made: times are counted from here
	segment  *segment
	base     int64           // how large the beginning of the segment is
	listed   map[string]bool // lists that the segment has
	over     bool            // nothing more is recorded
	cut      func(why error) // is told once that nothing more is
	line     []byte          // that is being written
}

// Open begins the tape of a value that is about to be made with cfg, a pointer to what it is made with. It is nil where there is
// no recorder. [Began] has to follow. cut is called where the tape has to be cut: at most once, on the goroutine of the tape.
func Open(r *Recorder, kind Kind, now time.Time, cfg any, cut func(why error)) *Tape {
	if r == nil {
		return nil
	}
	t := &Tape{recorder: r, kind: kind, life: r.lives.Add(1), epoch: now, cut: cut}
	t.begin(now, func(e *encoder) {
		e.raw(`,"config":`)
		e.adjust(reflect.ValueOf(cfg).Elem())
		e.value(reflect.ValueOf(cfg).Elem())
	})
	return t
}

// begin begins a segment. Its first line is finished by [Tape.finish].
func (t *Tape) begin(now time.Time, what func(*encoder)) {
	t.listed = map[string]bool{}
	e := t.encoder()
	e.raw(life(t.life) + `,"begins":"` + string(t.kind) + `","epoch":` + quoted(t.epoch.Format(time.RFC3339Nano)) + `,"t":`)
	e.duration(now.Sub(t.epoch))
	what(e)
	t.keep(e)
}

// Began writes down what a value did when it was made.
func Began[E fmt.Stringer](t *Tape, effects []E) {
	if t == nil || t.over {
		return
	}
	if t.segment == nil {
		t.segment = t.recorder.begin()
	}
	t.finish(lines(effects), false)
	t.base = t.segment.size.Load()
}

// Step has a value note a fact, and writes down what it was told and what it did. A value that panics has that written down too.
func Step[F any, E fmt.Stringer](t *Tape, now time.Time, value interface {
	Step(now time.Time, f F, out []E) []E
}, f F,
) []E {
	if t == nil || t.over {
		return value.Step(now, f, nil)
	}
	now = t.before(now, f)
	done := false
	defer func() {
		if !done && !t.over {
			t.finish(nil, true)
		}
	}()
	effects := value.Step(now, f, nil)
	done = true
	if !t.over {
		t.finish(lines(effects), false)
		t.roll(now, value)
	}
	return effects
}

// before writes down a fact, and gives its times and now the form in which they are replayed.
func (t *Tape) before(now time.Time, fact any) time.Time {
	e := t.encoder()
	now = e.counted(now)
	v := reflect.ValueOf(fact).Elem()
	e.adjust(v)
	if listed, is := fact.(*leader.Listed); is {
		t.list(listed.List)
	}
	e.raw(life(t.life) + `,"t":`)
	e.duration(now.Sub(t.epoch))
	e.raw(`,"fact":"` + v.Type().Name() + `","is":`)
	e.value(v)
	t.keep(e)
	return now
}

// list writes down a list once in each segment: the facts name it.
func (t *Tape) list(l *leader.Listing) {
	if l == nil || t.listed[nameOf(l)] {
		return
	}
	t.listed[nameOf(l)] = true
	partitions, version := l.Content()
	e := t.encoder()
	e.raw(life(t.life) + `,"list":` + quoted(nameOf(l)) + `,"edition":` + strconv.FormatUint(version, 10) + `,"partitions":`)
	e.value(reflect.ValueOf(&partitions).Elem())
	t.keep(e)
	if !t.over {
		t.recorder.add(t.segment, append(t.line, "}\n"...))
	}
}

// keep takes what was encoded as the line that is being written, or cuts the tape.
func (t *Tape) keep(e *encoder) {
	e.bound() // the last value may have been a long text
	if t.line = e.b; e.err != nil {
		t.end(e.err)
	}
}

// finish ends a line with what was done.
func (t *Tape) finish(did []string, panicked bool) {
	line := t.line
	if panicked {
		line = append(line, `,"panicked":true`...)
	}
	if len(did) > 0 {
		line = append(line, `,"did":[`...)
		for i, d := range did {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(line, quoted(short(d))...)
		}
		line = append(line, `],"sum":"`+sum(did)+`"`...)
	}
	t.recorder.add(t.segment, append(line, "}\n"...))
	t.line = nil
}

// roll begins a new segment with the state of the value when the present one is long enough: the older it is the sooner it
// goes. What a segment begins with is at most as long as what follows, so that recording never costs more than twice.
func (t *Tape) roll(now time.Time, value any) {
	if t.segment.size.Load()-t.base < max(t.recorder.share(), t.base) {
		return
	}
	before := t.segment
	t.begin(now, func(e *encoder) {
		e.raw(`,"state":`)
		e.state(reflect.ValueOf(value).Elem())
	})
	if t.over {
		return
	}
	t.segment = t.recorder.begin()
	t.finish(nil, false)
	t.base = t.segment.size.Load()
	t.recorder.close(before)
}

// Close says that the value is not stepped any more.
func (t *Tape) Close() {
	if t != nil && t.segment != nil {
		t.over = true
		t.recorder.close(t.segment)
	}
}

// end cuts a tape: what is there can be replayed, and what follows is not recorded.
func (t *Tape) end(why error) {
	if t.over {
		return // a fact can be too large in two ways: the first one has ended it
	}
	t.over, t.line = true, nil
	if t.segment == nil {
		t.segment = t.recorder.begin()
	}
	t.recorder.add(t.segment, []byte(life(t.life)+`,"cut":`+quoted(why.Error())+"}\n"))
	t.Close()
	t.cut(fmt.Errorf("nothing more is recorded of this %s: %w", t.kind, why))
}

// errTooLarge is why a tape is cut.
var errTooLarge = errors.New("too large for the recorder")

// encoder begins a line, which may take a quarter of the memory.
func (t *Tape) encoder() *encoder {
	return &encoder{epoch: t.epoch, most: int(t.recorder.limit / 4)}
}

// shownMost is how much of what was done is kept for reading. The sum says whether the rest is the same.
const shownMost = 256

func short(text string) string {
	if len(text) <= shownMost {
		return text
	}
	return strings.ToValidUTF8(text[:shownMost], "") + "…"
}

// lines are the effects as text. An error of the user's may panic when it is asked for its text.
func lines[E fmt.Stringer](effects []E) []string {
	var did []string
	for _, e := range effects {
		did = append(did, safely(e.String))
		if w, is := any(e).(*leader.Write); is {
			did = append(did, "because: "+w.Why)
		}
	}
	return did
}

func safely(text func() string) (s string) {
	defer func() {
		if r := recover(); r != nil {
			s = "(its text cannot be made: a panic)"
		}
	}()
	return text()
}

// sum names everything that was done.
func sum(did []string) string {
	d := xxhash.New()
	for _, line := range did {
		_, _ = d.WriteString(line)
		_, _ = d.WriteString("\n")
	}
	return strconv.FormatUint(d.Sum64(), 16)
}

// nameOf names a list by its content.
func nameOf(l *leader.Listing) string {
	digest, version := l.Edition().Name()
	return digest + "/" + strconv.FormatUint(version, 10)
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

func jsonLine(v any) []byte {
	b, _ := json.Marshal(v) // headers and footers always can be
	return append(b, '\n')
}
