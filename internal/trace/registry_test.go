// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/strategy"
)

// parsed are the files of a room that are no tests.
func parsed(t *testing.T, room string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob("../" + room + "/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	return files
}

// A fact that is not known here could be recorded and not replayed.
func TestEveryFactCanBeReplayed(t *testing.T) {
	for marker, k := range map[string]Kind{"leader.fact": Leader, "member.fact": Member, "member.electionFact": Election} {
		room, method, _ := strings.Cut(marker, ".")
		n := 0
		for _, file := range parsed(t, room) {
			for _, d := range file.Decls {
				if f, is := d.(*ast.FuncDecl); is && f.Recv != nil && f.Name.Name == method {
					name := f.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name
					require.Contains(t, kinds[k].facts, name, "%s: add it to kinds", k)
					n++
				}
			}
		}
		require.Len(t, kinds[k].facts, n)
	}
}

// A replay decides otherwise where a decider asks an error for something that was not written down.
func TestEveryErrorThatADeciderAsksForIsWrittenDown(t *testing.T) {
	asked := 0
	for _, room := range []string{"leader", "member", "topology", "ledger", "lease"} {
		for _, file := range parsed(t, room) {
			ast.Inspect(file, func(n ast.Node) bool {
				call, is := n.(*ast.CallExpr)
				if !is {
					return true
				}
				f, is := call.Fun.(*ast.SelectorExpr)
				if x, ok := f, is; !ok || x.Sel.Name != "Is" || x.X.(*ast.Ident).Name != "errors" {
					return true
				}
				in, name := room, ""
				switch target := call.Args[1].(type) {
				case *ast.SelectorExpr:
					in, name = target.X.(*ast.Ident).Name, target.Sel.Name
				case *ast.Ident:
					name = target.Name
				}
				if name == "errEnded" || name == "errBegun" { // whoever answers a refresh asks for them
					return true
				}
				asked++
				words := []string{}
				for _, n := range sentinelNames {
					words = append(words, strings.ToLower(strings.ReplaceAll(n, " ", "")))
				}
				require.Contains(t, words, in+"."+strings.ToLower(strings.TrimPrefix(name, "Err")), "%s.%s: add it to sentinels", in, name)
				return true
			})
		}
	}
	require.Greater(t, asked, 10)
}

// filled sets everything that is exported to something.
func filled(v reflect.Value, n *int) {
	*n++
	switch v.Type() {
	case timeType:
		if *n%2 == 0 {
			v.Set(reflect.ValueOf(time.Now().Add(time.Duration(*n)))) // of this process' clock
		} else {
			v.Set(reflect.ValueOf(time.Unix(1_700_000_000, int64(*n)).UTC())) // of the store's
		}
		return
	case errorType:
		v.Set(reflect.ValueOf(error(&store.TakenError{Entry: store.Entry{Key: "a"}})))
		return
	case listingType:
		l, _ := leader.NewListing([]strategy.Partition{{Keys: []string{"a"}}, {Keys: []string{"b", "c"}, Weight: 3}}, 4)
		v.Set(reflect.ValueOf(l))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Float64:
		v.SetFloat(1 / float64(*n))
	case reflect.String:
		v.SetString("ä\"\\\n" + string(rune('a'+*n%26)))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				filled(v.Field(i), n)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			filled(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			filled(key, n)
			filled(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Interface: // Entry.Record: a store that keeps records instead of bytes is no store of a worker
	default:
		panic("a fact has a " + v.Type().String())
	}
}

// What is read is written again as it was: every field of every fact, and of what the values are made with.
func TestNothingOfAFactIsLost(t *testing.T) {
	n := 0
	for kind, k := range kinds {
		all := []reflect.Type{reflect.TypeOf(k.config).Elem()}
		for _, of := range k.facts {
			all = append(all, of)
		}
		for _, of := range all {
			was := reflect.New(of).Elem()
			filled(was, &n)
			e := &encoder{epoch: time.Now(), most: 1 << 20}
			e.adjust(was)
			e.value(was)
			require.NoError(t, e.err)
			list, err := leader.NewListing([]strategy.Partition{{Keys: []string{"a"}}, {Keys: []string{"b", "c"}, Weight: 3}}, 4)
			require.NoError(t, err)
			is := reflect.New(of).Elem()
			lists := func(name string) (*leader.Listing, error) {
				require.Equal(t, nameOf(list), name)
				return list, nil
			}
			require.NoError(t, (&decoder{epoch: e.epoch.Round(0), lists: lists}).value(e.b, is), "%s %s: %s", kind, of, e.b)
			bare(was)
			bare(is)
			require.Equal(t, was.Interface(), is.Interface(), "%s: %s", kind, e.b)
		}
	}
}

// bare takes away what is not written down: the clock of the process, the type of an error, and the place of a list.
func bare(v reflect.Value) {
	switch t := v.Type(); {
	case t == timeType:
		v.Set(reflect.ValueOf(v.Interface().(time.Time).Round(0).UTC()))
	case t == errorType:
		err := v.Interface().(error)
		var taken *store.TakenError
		if !errors.As(err, &taken) || !errors.Is(err, store.ErrTaken) {
			panic("it does not say who holds the entry")
		}
		v.Set(reflect.ValueOf(errors.New(err.Error() + taken.Error())))
	case t == listingType:
		v.Set(reflect.ValueOf(leader.Unprepared(v.Interface().(*leader.Listing).Content())))
	case t.Kind() == reflect.Struct:
		for i := range v.NumField() {
			bare(v.Field(i))
		}
	case t.Kind() == reflect.Pointer:
		bare(v.Elem())
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		for i := range v.Len() {
			bare(v.Index(i))
		}
	case t.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(t.Elem()).Elem()
			value.Set(v.MapIndex(key))
			bare(value)
			v.SetMapIndex(key, value)
		}
	}
}

// A decider compares times with == where they are the keys of what it has told.
func TestEqualTimesOfAnotherZoneAreTheSame(t *testing.T) {
	zone := time.FixedZone("", 7200+1800)
	d := &decoder{epoch: time.Date(2026, 1, 2, 3, 4, 5, 0, zone)}
	text := []byte(`"` + d.epoch.Format(time.RFC3339Nano) + `"`)
	first, err := d.time(text)
	require.NoError(t, err)
	second, err := d.time(text)
	require.NoError(t, err)
	require.True(t, any(first) == any(second))
	require.True(t, any(first) == any(d.epoch))
}

// The times that a decider sees are those that are written down, to the nanosecond.
func TestAWallClockThatIsNotTheMonotonicOneChangesNothing(t *testing.T) {
	e := &encoder{epoch: time.Now()}
	for range 1000 {
		now := time.Now()
		seen := e.counted(now)
		require.Equal(t, now.Sub(e.epoch), seen.Round(0).Sub(e.epoch.Round(0)))
		require.Equal(t, now.Sub(e.epoch), seen.Sub(e.epoch))
	}
	stored := time.Unix(1_700_000_000, 0)
	require.Equal(t, stored, e.counted(stored))
}

func reflectOf(p any) reflect.Value { return reflect.ValueOf(p).Elem() }
