// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"
	"unsafe"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/store"
)

// decoder reads what an [encoder] has written.
type decoder struct {
	epoch time.Time
	whole bool
	known map[int]reflect.Value                      // pointers of a state
	lists func(name string) (*leader.Listing, error) // in facts
}

func (d *decoder) state(b []byte, v reflect.Value) error {
	d.whole, d.known = true, map[int]reflect.Value{}
	return d.value(b, v)
}

// value reads into v, which can be addressed.
func (d *decoder) value(b []byte, v reflect.Value) error {
	v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() // unexported fields are set as well
	if len(b) == 0 {
		return fmt.Errorf("a %s is missing", v.Type())
	}
	if string(b) == "null" {
		v.SetZero()
		return nil
	}
	switch t := v.Type(); {
	case t == timeType:
		at, err := d.time(b)
		v.Set(reflect.ValueOf(at))
		return err
	case t == errorType:
		return d.error(b, v)
	case t == bytesType:
		return json.Unmarshal(b, v.Addr().Interface())
	case t == listingType && !d.whole:
		var name string
		if err := json.Unmarshal(b, &name); err != nil {
			return err
		}
		l, err := d.lists(name)
		v.Set(reflect.ValueOf(l))
		return err
	default:
		return d.kind(b, v)
	}
}

func (d *decoder) kind(b []byte, v reflect.Value) (err error) {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64)
		v.SetFloat(f)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(string(b), 10, 64)
		v.SetInt(n)
		return err
	case reflect.Bool, reflect.String, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return json.Unmarshal(b, v.Addr().Interface())
	case reflect.Struct:
		return d.fields(b, v)
	case reflect.Pointer:
		return d.pointer(b, v)
	case reflect.Slice, reflect.Array:
		return d.list(b, v)
	case reflect.Map:
		return d.pairs(b, v)
	case reflect.Interface:
		return d.boxed(b, v)
	default:
		return fmt.Errorf("%s cannot be read", v.Type())
	}
}

func (d *decoder) time(b []byte) (time.Time, error) {
	if b[0] != '"' {
		n, err := strconv.ParseInt(string(b), 10, 64)
		return d.epoch.Add(time.Duration(n)), err
	}
	at, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(b))
	if err == nil && at.Location() != time.UTC {
		at = at.In(d.epoch.Location()) // one place for all: equal times are the same
	}
	return at, err
}

func (d *decoder) fields(b []byte, v reflect.Value) error {
	v.SetZero()
	in := json.NewDecoder(bytes.NewReader(b))
	if begin, err := in.Token(); err != nil || begin != json.Delim('{') {
		return fmt.Errorf("%s: %s, allowed: an object", v.Type(), b[:min(len(b), 20)])
	}
	for in.More() { // in the order in which they were written: a pointer is met first where its value is
		name, err := in.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return err
		}
		f := v.FieldByName(fmt.Sprint(name))
		if !f.IsValid() {
			return fmt.Errorf("%s has no %s here", v.Type(), name)
		}
		if err := d.value(value, f); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (d *decoder) pointer(b []byte, v reflect.Value) error {
	if !d.whole {
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(b, v.Elem())
	}
	n, value, err := d.met(b)
	if err != nil || value == nil {
		return d.again(n, v, err)
	}
	v.Set(reflect.New(v.Type().Elem()))
	d.known[n] = v.Elem().Addr()
	return d.value(value, v.Elem())
}

// met reads the number of a pointer, and what is written there if it is met first.
func (d *decoder) met(b []byte) (n int, value json.RawMessage, err error) {
	if b[0] != '[' {
		n, err = strconv.Atoi(string(b))
		return n, nil, err
	}
	var pair [2]json.RawMessage
	if err = json.Unmarshal(b, &pair); err == nil {
		n, err = strconv.Atoi(string(pair[0]))
	}
	return n, pair[1], err
}

// again sets v to what was met before.
func (d *decoder) again(n int, v reflect.Value, err error) error {
	if err != nil {
		return err
	}
	known, ok := d.known[n]
	if !ok || !known.Type().AssignableTo(v.Type()) {
		return fmt.Errorf("%s %d is not there", v.Type(), n)
	}
	v.Set(known)
	return nil
}

func (d *decoder) list(b []byte, v reflect.Value) error {
	var items []json.RawMessage
	if err := json.Unmarshal(b, &items); err != nil {
		return err
	}
	if v.Kind() == reflect.Array && len(items) != v.Len() {
		return fmt.Errorf("%s with %d elements", v.Type(), len(items))
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	}
	for i, item := range items {
		if err := d.value(item, v.Index(i)); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

func (d *decoder) pairs(b []byte, v reflect.Value) error {
	var items [][2]json.RawMessage
	if err := json.Unmarshal(b, &items); err != nil {
		return err
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, item := range items {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := d.value(item[0], key); err != nil {
			return err
		}
		if err := d.value(item[1], value); err != nil {
			return fmt.Errorf("%s: %w", item[0], err)
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

func (d *decoder) boxed(b []byte, v reflect.Value) error {
	var box struct {
		String *string
		Time   json.RawMessage
	}
	if err := json.Unmarshal(b, &box); err != nil {
		return err
	}
	if box.String != nil {
		v.Set(reflect.ValueOf(*box.String))
		return nil
	}
	if box.Time == nil {
		return fmt.Errorf("%s: %s cannot be read", v.Type(), b)
	}
	var at time.Time
	if err := d.value(box.Time, reflect.ValueOf(&at).Elem()); err != nil {
		return err
	}
	v.Set(reflect.ValueOf(at))
	return nil
}

func (d *decoder) error(b []byte, v reflect.Value) error {
	n := 0
	if d.whole && b[0] != '{' {
		number, value, err := d.met(b)
		if err != nil || value == nil {
			return d.again(number, v, err)
		}
		n, b = number, value
	}
	var f fault
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	was, err := d.fault(f)
	if err != nil {
		return err
	}
	v.Set(reflect.ValueOf(was))
	if n > 0 {
		d.known[n] = reflect.ValueOf(was)
	}
	return nil
}

// fault is the error that was written down.
func (d *decoder) fault(f fault) (was, err error) {
	r := &recorded{text: f.Text}
	for _, name := range f.Is {
		is, known := sentinels[name]
		if !known {
			return nil, fmt.Errorf("an error that wraps %q, which this release does not know", name)
		}
		if name == f.Same {
			return is, nil
		}
		r.is = append(r.is, is)
	}
	if f.Taken != nil {
		r.taken = &store.TakenError{}
		err = (&decoder{epoch: d.epoch}).value(f.Taken, reflect.ValueOf(&r.taken.Entry).Elem())
	}
	return r, err
}
