// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/leader"
)

// listedMost is how many numbers of a list are shown.
const listedMost = 8

// describe shows a fact in one line: its fields that are set.
func describe(v reflect.Value) string {
	var said []string
	t := v.Type()
	for i := range t.NumField() {
		if f := v.Field(i); t.Field(i).IsExported() && !f.IsZero() {
			if t.Field(i).Anonymous {
				said = append(said, describe(f))
			} else {
				said = append(said, lower(t.Field(i).Name)+"="+text(f))
			}
		}
	}
	return strings.Join(said, " ")
}

// lower begins a name with a small letter, unless it begins with an abbreviation.
func lower(name string) string {
	if len(name) > 1 && name[1] <= 'Z' {
		return name
	}
	return strings.ToLower(name[:1]) + name[1:]
}

func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Time:
		return x.Format("15:04:05.000")
	case *leader.Listing:
		partitions, version := x.Content()
		return strings.TrimSuffix(fmt.Sprintf("%d partitions version %d", len(partitions), version), " version 0")
	case error:
		return fmt.Sprintf("%q", x.Error())
	case fmt.Stringer:
		return x.String()
	case []byte:
		return string(x)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return text(v.Elem())
	case reflect.Struct:
		return "{" + describe(v) + "}"
	case reflect.Slice:
		return listed(v)
	default:
		return strings.TrimPrefix(fmt.Sprint(v.Interface()), "map")
	}
}

func listed(v reflect.Value) string {
	var said []string
	most := v.Len()
	if v.Type().Elem().Kind() == reflect.Int { // owners by their numbers tell nobody anything
		most = min(most, listedMost)
	}
	for i := range most {
		said = append(said, text(v.Index(i)))
	}
	if left := v.Len() - most; left > 0 {
		said = append(said, fmt.Sprintf("… %d more", left))
	}
	return "[" + strings.Join(said, " ") + "]"
}
