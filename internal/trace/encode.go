// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/store"
)

// encoder writes values as JSON, by reflection: facts, what a decider is made with, and all of its state. A field that has its
// zero value is left out. What JSON cannot say is written so:
//
//   - a time that was read from this process' clock is the nanoseconds since the tape began; any other is a text;
//   - an error is its text and what it wraps that a decider may ask for, see [sentinels];
//   - a list of partitions in a fact is a name, see [Tape.list];
//   - in a state a pointer is [n, value] where it is met first and n from then on, because the same thing stays the same thing;
//   - a map is a list of pairs, sorted by key.
type encoder struct {
	b     []byte
	epoch time.Time
	most  int           // bytes; more is an error
	whole bool          // it writes a state
	known map[place]int // pointers of a state
	err   error
}

// place is where a pointer points to. A struct and its first field are in one place.
type place struct {
	of reflect.Type
	at unsafe.Pointer
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	errorType   = reflect.TypeFor[error]()
	listingType = reflect.TypeFor[*leader.Listing]()
	bytesType   = reflect.TypeFor[[]byte]()
)

func (e *encoder) raw(s string) { e.b = append(e.b, s...) }

func (e *encoder) duration(d time.Duration) { e.b = strconv.AppendInt(e.b, int64(d), 10) }

// state writes everything that is in v.
func (e *encoder) state(v reflect.Value) {
	e.whole, e.known = true, map[place]int{}
	e.value(v)
}

// counted is a time as it is written down.
func (e *encoder) counted(t time.Time) time.Time {
	if !fromClock(t) {
		return t
	}
	return e.epoch.Add(t.Sub(e.epoch))
}

// fromClock says whether a time has a monotonic part, as those have that were read from the clock. Equal does not see it.
func fromClock(t time.Time) bool { return t != t.Round(0) }

// adjust gives the times in v the form in which they are replayed. v can be set. What it points to may be another's as well, so it
// is not changed: v gets a copy of its own.
func (e *encoder) adjust(v reflect.Value) {
	switch t := v.Type(); {
	case t == timeType:
		at := v.Addr().Interface().(*time.Time)
		*at = e.counted(*at)
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				e.adjust(v.Field(i))
			}
		}
	case !timed(t):
	case t.Kind() == reflect.Pointer && !v.IsNil():
		own := e.copied(v.Elem())
		e.adjust(own)
		v.Set(own.Addr())
	case t.Kind() == reflect.Slice && !v.IsNil():
		own := reflect.MakeSlice(t, v.Len(), v.Len())
		reflect.Copy(own, v)
		for i := range own.Len() {
			e.adjust(own.Index(i))
		}
		v.Set(own)
	case t.Kind() == reflect.Map && !v.IsNil():
		own := reflect.MakeMapWithSize(t, v.Len())
		for _, key := range v.MapKeys() {
			value := e.copied(v.MapIndex(key))
			e.adjust(value)
			own.SetMapIndex(key, value)
		}
		v.Set(own)
	}
}

// timed says whether a type of a fact has times in it, so that long lists of others cost nothing.
func timed(t reflect.Type) bool {
	if t == timeType {
		return true
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if timed(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return t != listingType && timed(t.Elem())
	default:
		return false
	}
}

// value writes v, which can be addressed.
func (e *encoder) value(v reflect.Value) {
	if e.bound(); e.err != nil {
		return
	}
	v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() // unexported fields are read as well
	switch t := v.Type(); {
	case t == timeType:
		e.time(v.Interface().(time.Time))
	case t == errorType:
		err, _ := v.Interface().(error)
		e.error(err)
	case t == bytesType:
		e.bytes(v.Bytes())
	case t == listingType && !e.whole:
		if l := v.Interface().(*leader.Listing); l == nil {
			e.raw("null")
		} else {
			e.raw(quoted(nameOf(l)))
		}
	default:
		e.kind(v)
	}
}

func (e *encoder) kind(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		e.b = strconv.AppendBool(e.b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.b = strconv.AppendInt(e.b, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.b = strconv.AppendUint(e.b, v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		e.float(v.Float())
	case reflect.String:
		e.text(v.String())
	case reflect.Struct:
		e.fields(v)
	case reflect.Pointer:
		e.pointer(v)
	case reflect.Slice, reflect.Array:
		e.list(v)
	case reflect.Map:
		e.pairs(v)
	case reflect.Interface:
		e.boxed(v)
	default:
		if v.IsZero() { // a function that is not there
			e.raw("null")
			return
		}
		e.fail(fmt.Errorf("%s cannot be recorded", v.Type()))
	}
}

// bound ends what is too long.
func (e *encoder) bound() {
	if len(e.b) > e.most {
		e.fail(fmt.Errorf("%w: more than %d bytes, a quarter of its memory; give NewRecorder more", errTooLarge, e.most))
	}
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// text writes a string. Most need no escape.
func (e *encoder) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			e.raw(quoted(s))
			return
		}
	}
	e.b = append(append(append(e.b, '"'), s...), '"')
}

// float writes a number; those that JSON does not know are texts.
func (e *encoder) float(f float64) {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		text = `"` + text + `"`
	}
	e.raw(text)
}

func (e *encoder) time(t time.Time) {
	switch {
	case t.IsZero():
		e.raw("null")
	case fromClock(t):
		e.duration(t.Sub(e.epoch))
	default:
		e.raw(`"` + t.Format(time.RFC3339Nano) + `"`)
	}
}

func (e *encoder) bytes(b []byte) {
	if b == nil {
		e.raw("null")
		return
	}
	e.b = append(e.b, '"')
	e.b = base64.StdEncoding.AppendEncode(e.b, b)
	e.b = append(e.b, '"')
}

func (e *encoder) fields(v reflect.Value) {
	t := v.Type()
	e.b = append(e.b, '{')
	first := true
	for i := range t.NumField() {
		f := v.Field(i)
		if f.IsZero() {
			continue
		}
		if !first {
			e.b = append(e.b, ',')
		}
		first = false
		e.b = append(append(append(e.b, '"'), t.Field(i).Name...), `":`...)
		e.value(f)
	}
	e.b = append(e.b, '}')
}

func (e *encoder) pointer(v reflect.Value) {
	if v.IsNil() {
		e.raw("null")
		return
	}
	if !e.whole {
		e.value(v.Elem())
		return
	}
	if !e.met(place{v.Type(), v.UnsafePointer()}) {
		e.value(v.Elem())
		e.b = append(e.b, ']')
	}
}

// met writes the number of a pointer. Where it is new that begins a pair, whose value has to follow.
func (e *encoder) met(p place) bool {
	n, known := e.known[p]
	if known {
		e.b = strconv.AppendInt(e.b, int64(n), 10)
		return true
	}
	n = len(e.known) + 1
	e.known[p] = n
	e.b = append(e.b, '[')
	e.b = strconv.AppendInt(e.b, int64(n), 10)
	e.b = append(e.b, ',')
	return false
}

func (e *encoder) list(v reflect.Value) {
	if v.Kind() == reflect.Slice && v.IsNil() {
		e.raw("null")
		return
	}
	if v.Kind() == reflect.Array { // a copy can be addressed
		v = e.copied(v)
	}
	e.b = append(e.b, '[')
	for i := range v.Len() {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.value(v.Index(i))
	}
	e.b = append(e.b, ']')
}

func (e *encoder) pairs(v reflect.Value) {
	if v.IsNil() {
		e.raw("null")
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.Kind() == reflect.String {
			return cmp.Compare(a.String(), b.String())
		}
		return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	e.b = append(e.b, '[')
	for i, k := range keys {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = append(e.b, '[')
		e.value(e.copied(k))
		e.b = append(e.b, ',')
		e.value(e.copied(v.MapIndex(k)))
		e.b = append(e.b, ']')
	}
	e.b = append(e.b, ']')
}

// copied can be addressed.
func (e *encoder) copied(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

// boxed writes what an interface other than error holds: one of a few plain types.
func (e *encoder) boxed(v reflect.Value) {
	switch v := v.Interface().(type) {
	case nil:
		e.raw("null")
	case string:
		e.raw(`{"string":` + quoted(v) + `}`)
	case time.Time:
		e.raw(`{"time":`)
		e.time(v)
		e.raw(`}`)
	default:
		e.fail(fmt.Errorf("%T cannot be recorded", v))
	}
}

// fault is an error as it is written down.
type fault struct {
	Text  string          `json:"text"`
	Is    []string        `json:"is,omitempty"`    // sentinels that it wraps
	Same  string          `json:"same,omitempty"`  // the sentinel that it is
	Taken json.RawMessage `json:"taken,omitempty"` // the entry of a [store.TakenError]
}

func (e *encoder) error(err error) {
	if err == nil {
		e.raw("null")
		return
	}
	f := fault{Text: safely(err.Error)}
	for _, name := range sentinelNames {
		if is := sentinels[name]; errors.Is(err, is) {
			f.Is = append(f.Is, name)
			if err == is { //nolint:errorlint // the very same value
				f.Same = name
			}
		}
	}
	if taken := (*store.TakenError)(nil); errors.As(err, &taken) {
		inner := &encoder{epoch: e.epoch, most: e.most}
		inner.value(reflect.ValueOf(&taken.Entry).Elem())
		f.Taken = inner.b
	}
	b, failed := json.Marshal(f)
	if failed != nil {
		e.fail(failed)
	}
	if p := reflect.ValueOf(err); e.whole && p.Kind() == reflect.Pointer {
		if !e.met(place{p.Type(), p.UnsafePointer()}) {
			e.b = append(append(e.b, b...), ']')
		}
		return
	}
	e.b = append(e.b, b...)
}
