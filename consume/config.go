// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// Mode says where the position of a partition is kept.
type Mode int

const (
	// Checkpoint keeps positions in a KV bucket, each under the epoch of its owner, so a stale owner cannot move them. It is
	// for streams with Retention limits.
	Checkpoint Mode = iota
	// Durable leaves the position to a durable consumer for each partition, and acknowledges each message. It is for work
	// queues and for streams with Retention interest. Acknowledgements carry no epoch.
	Durable
)

// String implements fmt.Stringer.
func (m Mode) String() string {
	switch m {
	case Checkpoint:
		return "Checkpoint"
	case Durable:
		return "Durable"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Config says what to read and how often to store the position. Stream and Subject are required.
type Config struct {
	// Stream is the name of the stream to read. It must exist when the first partition is granted.
	Stream string
	// Subject returns the filter of a partition: a subject of the stream, which may have wildcards. It must return the same
	// filter for a partition at each call, and the filters of two partitions must not overlap. Parti notices only equal
	// filters, with [ErrSubjectShared].
	Subject func(parti.Partition) string
	// Mode says where the position is kept. Default Checkpoint. A Pipeline allows no other mode.
	Mode Mode
	// Checkpoints is the KV bucket of the positions. A missing bucket is created. The bucket belongs to one application: two
	// groups of workers that read one stream need two buckets. Default "<Stream>-positions". Not used by Durable, nor by a
	// Pipeline, whose positions are in its output stream.
	Checkpoints string
	// Durable is the prefix of the names of the durable consumers, if Mode is Durable; the partition follows. Two groups of
	// workers that read one stream need two names. Up to 64 letters, digits and '-'. Default "parti".
	Durable string
	// Every is the number of messages after which the position is stored, and so the number of messages that are handled
	// again after a crash. In a Pipeline it is the largest number of inputs of one batch, at most 999. Default 100, in a
	// Pipeline 500.
	Every int
	// Interval is the time after which the position is stored, and the longest time for which a batch of a Pipeline collects
	// messages while they keep coming. At least 1ms. Default 1s.
	Interval time.Duration
	// Retry says what happens to a message whose function fails.
	Retry Retry
}

// Retry says what happens to a message whose function returns an error or panics. The partition waits for that message, and
// handles no later message before it.
type Retry struct {
	// First and Most limit the pause before a message is tried again: First after the first failure, then twice as long each
	// time, up to Most. Defaults 100ms and 30s.
	First, Most time.Duration
	// Attempts is the number of attempts before a message becomes a dead letter or halts its partition. Default 5.
	Attempts int
	// DeadLetter returns the subject on which to publish a message that has failed Attempts times. It must be a subject of a
	// stream: the position moves on when that stream has acknowledged the dead letter. The dead letter has the data and the
	// headers of the message. Further headers say where it comes from, see [HeaderStream].
	//
	// Without DeadLetter the partition halts. Run returns an error that wraps [ErrHalted], and Parti reports it. When Parti
	// calls Run again, the message is tried once more after Most, and so on. Other partitions go on.
	DeadLetter func(parti.Partition) string
}

// Output says where a [Pipeline] stores its results.
type Output struct {
	// Stream is the stream of the results and of the positions. It needs AllowAtomicPublish; the package's documentation
	// lists what else it needs.
	Stream string
	// Position returns the subject of a partition's position in the output stream, such as "positions.<partition>". Each
	// partition needs its own subject, without wildcards, on which nothing else is published.
	Position func(parti.Partition) string
}

const (
	defaultEvery         = 100
	defaultPipelineEvery = 500
	defaultInterval      = time.Second
	defaultFirst         = 100 * time.Millisecond
	defaultMost          = 30 * time.Second
	defaultAttempts      = 5
	mostEvery            = 1_000_000
	// batchMost is the largest number of messages in one atomic batch. One of them is the position.
	batchMost = 1000
)

var (
	bucketName  = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,200}$`)
	durableName = regexp.MustCompile(`^[a-zA-Z0-9-]{1,64}$`)
)

// complete fills in the defaults, and returns what is wrong.
func (c *Config) complete(pipeline bool) error {
	every, most := defaultEvery, mostEvery
	if pipeline {
		every, most = defaultPipelineEvery, batchMost-1
	}
	set(&c.Every, every)
	set(&c.Interval, defaultInterval)
	set(&c.Checkpoints, c.Stream+"-positions")
	set(&c.Durable, "parti")
	set(&c.Retry.First, min(defaultFirst, positive(c.Retry.Most, defaultFirst)))
	set(&c.Retry.Most, max(defaultMost, c.Retry.First))
	set(&c.Retry.Attempts, defaultAttempts)
	var v faults
	v.stream("Stream", c.Stream)
	if c.Subject == nil {
		v = append(v, fmt.Errorf("%w: Config.Subject is nil, allowed: a function that returns the filter of a partition", parti.ErrNilArgument))
	}
	v.check(c.Mode == Checkpoint || c.Mode == Durable && !pipeline, "Mode", c.Mode, allowedModes(pipeline))
	if c.Mode == Checkpoint && !pipeline && c.Stream != "" {
		v.check(bucketName.MatchString(c.Checkpoints), "Checkpoints", c.Checkpoints, "1 to 200 letters, digits, '-' and '_'")
	}
	v.check(durableName.MatchString(c.Durable), "Durable", c.Durable, "1 to 64 letters, digits and '-'")
	v.check(c.Every >= 1 && c.Every <= most, "Every", c.Every, fmt.Sprintf("1 to %d", most))
	v.check(c.Interval >= time.Millisecond, "Interval", c.Interval, "1ms or more")
	v.check(c.Retry.First >= time.Millisecond, "Retry.First", c.Retry.First, "1ms or more")
	v.check(c.Retry.Most >= c.Retry.First, "Retry.Most", c.Retry.Most, fmt.Sprintf("Retry.First (%s) or more", c.Retry.First))
	v.check(c.Retry.Attempts >= 1, "Retry.Attempts", c.Retry.Attempts, "1 or more")
	return errors.Join(v...)
}

// complete returns what is wrong with an output.
func (out *Output) complete() error {
	var v faults
	v.stream("Output.Stream", out.Stream)
	if out.Position == nil {
		v = append(v, fmt.Errorf("%w: Output.Position is nil, allowed: a function that returns the subject of a partition's position", parti.ErrNilArgument))
	}
	return errors.Join(v...)
}

func allowedModes(pipeline bool) string {
	if pipeline {
		return "Checkpoint, because the position of a Pipeline is stored together with its results"
	}
	return "Checkpoint or Durable"
}

type faults []error

func (v *faults) check(ok bool, field string, value any, allowed string) {
	if !ok {
		*v = append(*v, &parti.ConfigError{Field: field, Value: value, Allowed: allowed})
	}
}

func (v *faults) stream(field, name string) {
	v.check(name != "" && len(name) <= 255 && !strings.ContainsAny(name, " \t\r\n.*>/\\"), field, name, "the name of a stream")
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// checkJS refuses a nil JetStream context.
func checkJS(js jetstream.JetStream) error {
	if js == nil {
		return fmt.Errorf("%w: js is nil, allowed: a JetStream context", parti.ErrNilArgument)
	}
	return nil
}

// literal reports whether a subject can be published on: its tokens are not empty, and have no wildcards and no white space.
func literal(subject string) bool {
	return filter(subject) && !strings.ContainsAny(subject, "*>")
}

// filter reports whether a subject can be the filter of a consumer.
func filter(subject string) bool {
	if subject == "" || strings.ContainsAny(subject, " \t\r\n\x00") {
		return false
	}
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		if token == "" || token == ">" && i < len(tokens)-1 {
			return false
		}
	}
	return true
}

// covers reports whether every subject that matches the second filter matches the first.
func covers(wide, narrow string) bool {
	w, n := strings.Split(wide, "."), strings.Split(narrow, ".")
	for i, token := range w {
		switch {
		case token == ">":
			return len(n) > i
		case i >= len(n), token != "*" && token != n[i], token == "*" && n[i] == ">":
			return false
		}
	}
	return len(w) == len(n)
}

// overlap reports whether some subject matches both filters.
func overlap(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(x) && i < len(y); i++ {
		if x[i] == ">" || y[i] == ">" {
			return true
		}
		if x[i] != y[i] && x[i] != "*" && y[i] != "*" {
			return false
		}
	}
	return len(x) == len(y)
}
