// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	variablePrefix = "PARTI_"
	// fileVariable is where the parti command finds the file of the workers.
	fileVariable = "PARTI_CONFIG"
)

var (
	// ofService matches what Kubernetes puts into the environment of each container for a Service, and Docker into that of a
	// linked one: PARTI_NATS_SERVICE_HOST, PARTI_NATS_PORT_4222_TCP_ADDR and so on, if the Service or the link is called
	// parti-nats. Docker adds _START and _END for a range of ports.
	ofService = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|ADDR|(PORT_)?(START|END)|PORT))?)?$`)
	// ofLink matches the variable by which Docker names a link, PARTI_NATS_NAME=/worker/parti-nats. For each variable of the
	// linked container there is one more: PARTI_NATS_ENV_PATH.
	ofLink = regexp.MustCompile(`^(PARTI_(?:\w+_)?)NAME=/[^/]+/[^/]+$`)
)

// setting is one field of a Config, with the names that it has outside of Go.
type setting struct {
	field    string // HeartbeatTTL, KVBuckets.Storage
	key      string // heartbeatTTL, kvBuckets.storage
	variable string // PARTI_HEARTBEAT_TTL, PARTI_KV_BUCKETS_STORAGE
	value    reflect.Value
}

// settings returns the fields in their order, those of nested values in the place of these.
func (c *Config) settings() []setting {
	var all []setting
	var walk func(outer setting)
	walk = func(outer setting) {
		for i := range outer.value.NumField() {
			f := outer.value.Type().Field(i)
			s := setting{
				outer.field + f.Name, outer.key + f.Tag.Get("yaml"), outer.variable + f.Tag.Get("env"), outer.value.Field(i),
			}
			if f.Type.Kind() == reflect.Struct {
				s.field, s.key, s.variable = s.field+".", s.key+".", s.variable+"_"
				walk(s)
				continue
			}
			all = append(all, s)
		}
	}
	walk(setting{variable: variablePrefix, value: reflect.ValueOf(c).Elem()})
	return all
}

// overlay sets what the environment sets, and returns the variable of each field that it has set. It reports everything
// that is wrong, in the order of the variables' names.
func (c *Config) overlay(environment []string) (from map[string]string, err error) {
	settings, foreign := c.settings(), foreigners(environment)
	from = map[string]string{}
	var errs []error
	for _, entry := range slices.Sorted(slices.Values(environment)) {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) || value == "" || foreign(name) {
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.variable == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%w: there is no setting for the environment variable %s, the nearest is %s", ErrInvalidConfig,
				name, nearest(name, settings)))
			continue
		}
		from[settings[i].field] = name
		if name == variablePrefix+"GROUP" && value != c.Group {
			b := &c.KVBuckets // PARTI_KV_BUCKETS_… come later, in the order of names
			b.StableID, b.Election, b.Heartbeat, b.Assignment = "", "", "", ""
		}
		errs = append(errs, settings[i].set(value))
	}
	return from, errors.Join(errs...)
}

// foreigners returns a function that recognizes the variables which begin with PARTI_ and are not for LoadConfig.
func foreigners(environment []string) func(name string) bool {
	var links []string // the beginnings of the variables of each link
	for _, entry := range environment {
		if link := ofLink.FindStringSubmatch(entry); link != nil {
			links = append(links, link[1])
		}
	}
	return func(name string) bool {
		linked := func(link string) bool { return name == link+"NAME" || strings.HasPrefix(name, link+"ENV_") }
		return name == fileVariable || ofService.MatchString(name) || slices.ContainsFunc(links, linked)
	}
}

// set parses a value of the environment.
func (s setting) set(text string) error {
	var err error
	allowed := ""
	switch field := s.value.Addr().Interface().(type) {
	case *string:
		*field = text
	case *time.Duration:
		*field, err = time.ParseDuration(text)
		allowed = "a duration with a unit, such as 1m30s"
	case *int:
		*field, err = strconv.Atoi(text)
		allowed = "a whole number"
	case *int64:
		*field, err = strconv.ParseInt(text, 10, 64)
		allowed = "a whole number"
	case *float64:
		*field, err = strconv.ParseFloat(text, 64)
		allowed = "a number, such as 0.5"
	case *bool:
		*field, err = strconv.ParseBool(text)
		allowed = "true or false"
	case *map[string]string:
		*field, err = parseLabels(text)
		allowed = "labels as name=value, with a comma between them and each name once"
	default:
		panic(fmt.Sprintf("parti: %s has a type that no environment variable can set", s.field))
	}
	if err != nil {
		return &ConfigError{Field: s.field, Value: text, Allowed: allowed, Variable: s.variable}
	}
	return nil
}

var errLabels = errors.New("no labels")

func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for label := range strings.SplitSeq(text, ",") {
		name, value, found := strings.Cut(label, "=")
		name = strings.TrimSpace(name)
		if _, twice := labels[name]; twice || !found {
			return nil, errLabels
		}
		labels[name] = strings.TrimSpace(value)
	}
	return labels, nil
}

// nearest returns the variable that takes the fewest edits to reach; the first of several.
func nearest(name string, settings []setting) string {
	return slices.MinFunc(settings, func(a, b setting) int {
		return cmp.Compare(edits(name, a.variable), edits(name, b.variable))
	}).variable
}

// edits counts the bytes to insert or remove on the way from a to b. A byte in the place of another counts as two, so that
// a name which lacks a whole word is nearer than one of the same length.
func edits(a, b string) int {
	row := make([]int, len(b)+1) // the edits from what was read of a to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			fewest := min(row[j], row[j+1]) + 1
			if a[i] == b[j] {
				fewest = diagonal
			}
			diagonal, row[j+1] = row[j+1], fewest
		}
	}
	return row[len(b)]
}
