// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/parti-go/parti"
)

// removed stands where something was that nobody is to see.
const removed = "(removed)"

// secrets are what looks like a credential wherever it stands: the user of a URL, a seed of an NKEY, a JWT.
var secrets = []struct {
	is      *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`://[^/@\s"']*@`), "://" + removed + "@"},
	{regexp.MustCompile(`\bS[ACNOUX][A-Z2-7]{54,}\b`), removed},
	{regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+\.[\w-]+`), removed},
}

// secretive is what the key of a secret has in its name.
var secretive = regexp.MustCompile(`(?i)pass|secret|token|cred|nkey|seed|auth|private|dsn`)

// withoutSecrets returns a configuration with the values of those keys only that a worker knows, and without comments.
func withoutSecrets(text []byte) ([]byte, error) {
	var all yaml.MapSlice
	if yaml.Unmarshal(text, &all) != nil { // the error quotes the file
		return nil, fmt.Errorf("the file is left out, because it is not YAML and may contain secrets")
	}
	return yaml.Marshal(known(all, reflect.TypeFor[parti.Config]()))
}

// known keeps the values of those keys that are fields of a type.
func known(all yaml.MapSlice, of reflect.Type) yaml.MapSlice {
	kept := make(yaml.MapSlice, 0, len(all))
	for _, item := range all {
		kept = append(kept, yaml.MapItem{Key: item.Key, Value: knownValue(item, of)})
	}
	return kept
}

func knownValue(item yaml.MapItem, of reflect.Type) any {
	below, nested := asMap(item.Value)
	if of.Kind() == reflect.Map { // labels: the user has named them
		if nested || secretive.MatchString(fmt.Sprint(item.Key)) {
			return removed
		}
		return item.Value
	}
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != fmt.Sprint(item.Key) {
			continue
		}
		deep := f.Type.Kind() == reflect.Struct || f.Type.Kind() == reflect.Map
		switch _, list := item.Value.([]any); {
		case deep && nested:
			return known(below, f.Type)
		case deep || nested || list:
			return removed
		}
		return item.Value
	}
	return removed
}

func asMap(v any) (yaml.MapSlice, bool) {
	switch m := v.(type) {
	case yaml.MapSlice:
		return m, true
	case map[string]any:
		var all yaml.MapSlice
		for key, value := range m {
			all = append(all, yaml.MapItem{Key: key, Value: value})
		}
		slices.SortFunc(all, func(a, b yaml.MapItem) int { return cmp.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key)) })
		return all, true
	}
	return nil, false
}

// hosts are names of machines and servers that were met.
type hosts struct{ names map[string]bool }

// met notes names, or the hosts of URLs and addresses.
func (h *hosts) met(names ...string) {
	if h.names == nil {
		h.names = map[string]bool{}
	}
	for _, name := range names {
		if u, err := url.Parse(name); err == nil && u.Host != "" {
			name = u.Host
		}
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		if name = strings.Trim(name, "[] "); name != "" {
			h.names[name] = true
		}
	}
}

var (
	hostField = regexp.MustCompile(`"host":\s*"([^"]+)"`)
	address   = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
)

// clean takes out of all parts what nobody is to see.
func (r *reporter) clean(parts []reportPart) {
	secret := cmp.Or(r.connection.password, r.connection.user) // a user without a password is a token
	hide := wholeWords(map[string]string{secret: removed})
	apply := func(f func(text []byte) []byte) {
		for i := range parts {
			parts[i].text, parts[i].Error = f(parts[i].text), string(f([]byte(parts[i].Error)))
		}
	}
	apply(func(text []byte) []byte {
		text = hide(text)
		for _, s := range secrets {
			text = s.is.ReplaceAll(text, []byte(s.instead))
		}
		return text
	})
	if !r.anonymous {
		return
	}
	r.hosts.met(strings.Split(r.connection.server, ",")...)
	if name, err := os.Hostname(); err == nil {
		r.hosts.met(name)
	}
	apply(func(text []byte) []byte {
		for _, m := range hostField.FindAllSubmatch(text, -1) {
			r.hosts.met(string(m[1]))
		}
		for _, a := range address.FindAll(text, -1) {
			r.hosts.met(string(a))
		}
		return text
	})
	apply(r.hosts.replacer())
}

// replacer gives each name a number, the same everywhere.
func (h *hosts) replacer() func([]byte) []byte {
	numbers := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(h.names)) {
		numbers[name] = fmt.Sprintf("host-%d", i+1)
	}
	return wholeWords(numbers)
}

// wholeWords replaces the keys by their values where they are whole words.
func wholeWords(instead map[string]string) func([]byte) []byte {
	delete(instead, "")
	if len(instead) == 0 {
		return func(text []byte) []byte { return text }
	}
	var quoted []string
	for word := range instead {
		quoted = append(quoted, regexp.QuoteMeta(word))
	}
	slices.SortFunc(quoted, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	each := regexp.MustCompile(strings.Join(quoted, "|"))
	return func(text []byte) []byte {
		var b bytes.Buffer
		end := 0
		for _, at := range each.FindAllIndex(text, -1) {
			b.Write(text[end:at[0]])
			word := text[at[0]:at[1]]
			if at[0] > 0 && inWord(text[at[0]-1]) || at[1] < len(text) && inWord(text[at[1]]) {
				b.Write(word)
			} else {
				b.WriteString(instead[string(word)])
			}
			end = at[1]
		}
		b.Write(text[end:])
		return b.Bytes()
	}
}

func inWord(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
