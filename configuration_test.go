// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the tables of the documentation anew")

// TestTheDocumentationHasTheTableOfTheConfiguration: the table is made from the comments of the fields.
func TestTheDocumentationHasTheTableOfTheConfiguration(t *testing.T) {
	var table strings.Builder
	table.WriteString("| YAML | environment | default | allowed | meaning |\n| --- | --- | --- | --- | --- |\n")
	c := DefaultConfig()
	comments := commentsOfFields(t)
	for _, s := range c.settings() {
		meaning, value, allowed := parts(t, s.field, comments[s.field])
		assert.Equal(t, shown(s.value), value, "the comment of %s and DefaultConfig differ", s.field)
		fmt.Fprintf(&table, "| `%s` | `%s` | %s | %s | %s |\n", s.key, s.variable, value, allowed, meaning)
	}
	section(t, "docs/configuration.md", "configuration", table.String())
}

var ranges = regexp.MustCompile(`(\S+)(?: \([^)]*\))? to ([\w^]+)`)

// TestTheCommentsSayWhatValidateAllows: the ends of each range that a comment names are allowed, and what lies beyond is not.
func TestTheCommentsSayWhatValidateAllows(t *testing.T) {
	comments := commentsOfFields(t)
	refused := func(c Config, field string) bool {
		return strings.Contains(fmt.Sprint(c.Validate()), ErrInvalidConfig.Error()+": "+field+" is ")
	}
	ends := 0
	for i, s := range new(Config).settings() {
		_, _, allowed := parts(t, s.field, comments[s.field])
		bounds := ranges.FindStringSubmatch(allowed)
		for end, beyond := range map[int]int64{1: -1, 2: 1} {
			c := DefaultConfig()
			field := c.settings()[i]
			if len(bounds) == 0 || !field.value.CanInt() || field.set(strings.Replace(bounds[end], "2^40", "1099511627776", 1)) != nil {
				continue
			}
			ends++
			assert.False(t, refused(c, s.field), "%s: %s", s.field, bounds[end])
			field.value.SetInt(field.value.Int() + beyond)
			assert.True(t, refused(c, s.field), "%s: beyond %s", s.field, bounds[end])
		}
	}
	assert.Greater(t, ends, 30)
}

// parts cuts the comment of a field into what it means, its default and what is allowed.
func parts(t *testing.T, field, comment string) (meaning, value, allowed string) {
	meaning, rest, found := strings.Cut(comment, " Default: ")
	require.True(t, found, "the comment of %s has no default", field)
	value, allowed, found = strings.Cut(rest, ". Allowed: ")
	require.True(t, found, "the comment of %s does not say what is allowed", field)
	meaning, found = strings.CutPrefix(meaning, field[strings.LastIndex(field, ".")+1:]+" ")
	require.True(t, found, "the comment of %s does not begin with its name", field)
	meaning = strings.TrimPrefix(meaning, "is ")
	meaning = strings.ToUpper(meaning[:1]) + meaning[1:]
	for from, to := range map[string]string{"[strategy.Homing]": "`strategy.Homing`", "<": `\<`, "_;": `\_;`} {
		meaning, allowed = strings.ReplaceAll(meaning, from, to), strings.ReplaceAll(allowed, from, to)
	}
	return meaning, value, strings.TrimSuffix(allowed, ".")
}

// shown is a value as the comments write it.
func shown(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		if value == 7*time.Second { // of PreferredIDWait
			return "HeartbeatTTL + 1s"
		}
		return brief(value)
	case string:
		if value == "" {
			return "none"
		}
		return value
	case map[string]string:
		return "none"
	default:
		return fmt.Sprint(value)
	}
}

// brief is a duration without what is zero: 5m, not 5m0s.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// commentsOfFields returns the comment of each field of Config, on one line.
func commentsOfFields(t *testing.T) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	require.NoError(t, err)
	of := map[string]map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.TypeSpec)
		if !is {
			return true
		}
		of[spec.Name.Name] = map[string]string{}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			require.Len(t, f.Names, 1)
			of[spec.Name.Name][f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
		return false
	})
	all := of["Config"]
	for outer, inner := range map[string]string{"KVBuckets": "KVBuckets", "Assignment": "AssignmentConfig"} {
		for name, text := range of[inner] {
			all[outer+"."+name] = text
		}
	}
	return all
}

// section compares a generated section of a document, between its markers, or writes it with -update.
func section(t *testing.T, file, name, want string) {
	t.Helper()
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->\n"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "%s has no %q", file, begin)
	got, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no %q", file, end)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(before+begin+want+end+after), 0o600))
		return
	}
	assert.Equal(t, want, got, "%s is stale: go test . -run Documentation -update", file)
}
