// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// LoadConfig reads one YAML document and the environment, applies the defaults and validates. A nil reader means the
// environment alone. An empty document and an environment without variables give DefaultConfig.
//
// The environment wins over the file. The variable of a field is PARTI_ and the name of the field in capitals, with a _
// between its words: PARTI_GROUP, PARTI_HEARTBEAT_TTL, PARTI_ASSIGNMENT_HOME_RETENTION; docs/configuration.md lists all. An
// empty variable counts as not set. PARTI_LABELS (zone=eu-1,disk=ssd) replaces the labels of the file. PARTI_GROUP with
// another group than the file's also replaces the file's names of buckets. LoadConfig ignores three kinds of other variables:
// PARTI_CONFIG, where the parti command finds its file, those that Kubernetes makes for a Service whose name is parti or
// begins with parti- (PARTI_NATS_SERVICE_HOST), and those that Docker makes for a link with such a name.
//
// An unknown key, a repeated key, a duration without a unit and a second document are errors that name the place. They quote
// no line of the file, and no value under a key that LoadConfig does not know, because there may be a password. The error for
// an unknown variable suggests the nearest known one, and does not show its value. The error for a bad value names the
// variable, the value and what is allowed. All errors of the content wrap ErrInvalidConfig.
func LoadConfig(r io.Reader) (Config, error) { return load(r, os.Environ()) }

// load is LoadConfig with an environment of the form of [os.Environ].
func load(r io.Reader, environment []string) (Config, error) {
	c, damping, err := read(r)
	if err != nil {
		return Config{}, err
	}
	from, err := c.overlay(environment)
	if err != nil {
		return Config{}, err
	}
	_, given := from["FlapBackoff"]
	given = given || damping
	backoff := c.FlapBackoff
	if !given {
		backoff = defaultFlapBackoff
	}
	c.ApplyDefaults()
	c.FlapBackoff = backoff // a 0 that somebody wrote stays: it turns damping off
	if err := c.validate(from); err != nil {
		return Config{}, err
	}
	return c, nil
}

// read decodes a YAML document, and says whether it sets FlapBackoff, of which 0 is a value too.
func read(r io.Reader) (c Config, damping bool, err error) {
	if r == nil {
		return Config{}, false, nil
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return Config{}, false, fmt.Errorf("read configuration: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, false, mistake(text, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Config{}, false, fmt.Errorf("%w: more than one YAML document, allowed: one", ErrInvalidConfig)
	}
	var written struct {
		FlapBackoff *time.Duration `yaml:"flapBackoff"`
	}
	_ = yaml.Unmarshal(text, &written) // it was decoded above
	return c, written.FlapBackoff != nil, nil
}

var (
	quoted   = regexp.MustCompile(`(?s)".*"`)
	aboutKey = regexp.MustCompile(`^(unknown field|mapping key) "[\w.-]+"`)
)

// mistake says where in the text the decoder has failed, and why. The decoder's own error shows the lines around the place,
// and its message can quote a piece of them: for instance a password that begins with * and so looks like an alias.
func mistake(text []byte, err error) error {
	var placed yaml.Error
	if !errors.As(err, &placed) || placed.GetToken() == nil {
		return badDuration(text)
	}
	message := placed.GetMessage()
	if !aboutKey.MatchString(message) {
		message = quoted.ReplaceAllLiteralString(message, "(not shown)")
	}
	return fmt.Errorf("%w: line %d: %s", ErrInvalidConfig, placed.GetToken().Position.Line, message)
}

// badDuration finds the first duration that cannot be parsed: the decoder says neither which it is nor where.
func badDuration(text []byte) error {
	for _, s := range new(Config).settings() {
		if _, is := s.value.Interface().(time.Duration); !is {
			continue
		}
		path, err := yaml.PathString("$." + s.key)
		if err != nil {
			continue
		}
		node, err := path.ReadNode(bytes.NewReader(text))
		if err != nil {
			continue
		}
		s.variable = "" // the file is to blame
		if written, is := node.(*ast.StringNode); is {
			if err := s.set(written.Value); err != nil {
				return fmt.Errorf("line %d: %w", written.Token.Position.Line, err)
			}
		}
	}
	return fmt.Errorf("%w: the YAML cannot be decoded, allowed: one mapping of settings", ErrInvalidConfig)
}
