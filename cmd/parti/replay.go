// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti/internal/trace"
)

// playback is what of a trace is shown.
type playback struct {
	file, partition, until string
	all                    bool
}

// momentView is a moment of a replay as JSON.
type momentView struct {
	At       time.Time  `json:"at"`
	Kind     trace.Kind `json:"kind"`
	Life     uint64     `json:"life"`
	Fact     string     `json:"fact"`
	Told     string     `json:"told,omitempty"`
	Did      []string   `json:"did,omitempty"`
	Differs  string     `json:"differs,omitempty"`
	Recorded []string   `json:"recorded,omitempty"`
	Cut      string     `json:"cut,omitempty"`
}

// replay adds the command that takes recorded decisions again.
func (a *app) replay(parent *fisk.Application) {
	p := &playback{}
	cmd := parent.Command("replay", "Replay the decisions of a recorded worker, one by one, to see why it did something")
	cmd.Arg("trace", "File that a parti.Recorder has written").Required().StringVar(&p.file)
	cmd.Flag("partition", "Show only what concerns this partition").PlaceHolder("PARTITION").StringVar(&p.partition)
	cmd.Flag("until", "Show nothing after this time: 15:04:05 on the first day of the trace, or 2006-01-02T15:04:05Z").PlaceHolder("TIME").StringVar(&p.until)
	cmd.Flag("all", "Also show facts without any effect").UnNegatableBoolVar(&p.all)
	a.do(cmd, func(context.Context) error { return a.play(p) })
}

// play shows a trace, and fails where this release decides differently.
func (a *app) play(p *playback) error {
	file, err := os.Open(p.file)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it is only read
	t, broken := trace.Read(file)
	if t == nil {
		return fmt.Errorf("%s: %w", p.file, broken)
	}
	moments := t.Replay()
	until, err := p.end(moments)
	if err != nil {
		return err
	}
	for _, m := range moments {
		if !until.IsZero() && m.At.After(until) || !p.shows(m) {
			continue
		}
		if err := a.showMoment(p, m); err != nil {
			return err
		}
	}
	if !a.json {
		if _, err := io.WriteString(a.stdout, summary(t, moments)); err != nil {
			return err
		}
	}
	if broken != nil {
		return fmt.Errorf("%s: %w", p.file, broken)
	}
	if n := differing(moments); n > 0 {
		return fmt.Errorf("%s: decisions that differ: %d; it was recorded by version %s, this is version %s", p.file, n, t.Version, trace.Version())
	}
	return nil
}

// end is the time after which nothing is shown; zero for no end.
func (p *playback) end(moments []trace.Moment) (time.Time, error) {
	if p.until == "" || len(moments) == 0 {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, p.until); err == nil {
		return at, nil
	}
	clock, err := time.Parse("15:04:05", p.until)
	if err != nil {
		return time.Time{}, fmt.Errorf("--until %q: allowed: a time of the first day of the trace as 15:04:05, or 2006-01-02T15:04:05Z", p.until)
	}
	year, month, day := moments[0].At.Date()
	return time.Date(year, month, day, clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), moments[0].At.Location()), nil
}

// shows says whether a moment is worth a line. Where decisions part, and where the record ends, always is.
func (p *playback) shows(m trace.Moment) bool {
	switch {
	case m.Differs != "" || m.Cut != "":
		return true
	case p.partition != "":
		return names(m.Told, p.partition) || slices.ContainsFunc(m.Did, func(did string) bool { return names(did, p.partition) })
	default:
		return p.all || m.Fact == "begins" || slices.ContainsFunc(m.Did, func(did string) bool { return !routine(did) })
	}
}

// routine is what follows from almost every fact.
func routine(did string) bool {
	return did == "sleep" || strings.HasPrefix(did, "wake at ") || strings.HasPrefix(did, "trust until ") || strings.HasPrefix(did, "renew the lease ")
}

// names says whether a line names a partition.
func names(text, partition string) bool {
	for rest, at := text, 0; ; {
		i := strings.Index(rest, partition)
		if i < 0 {
			return false
		}
		at += i
		before, after := text[:at], text[at+len(partition):]
		before = strings.TrimSuffix(before, " -") // which is let go
		if (before == "" || strings.ContainsAny(before[len(before)-1:], ` [{=":,`) || len(before) < at) && (after == "" || strings.ContainsAny(after[:1], ` ]}@":;,`)) {
			return true
		}
		at++
		rest = text[at:]
	}
}

// showMoment writes one moment.
func (a *app) showMoment(p *playback, m trace.Moment) error {
	if a.json {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		return e.Encode(momentView{m.At.UTC(), m.Kind, m.Life, m.Fact, m.Told, m.Did, m.Differs, m.Recorded, m.Cut})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s %d  %s\n", m.At.Format("15:04:05.000"), m.Kind, m.Life, brieflyTold(p, m))
	tell := func(how string, did []string) {
		for _, line := range did {
			if p.partition != "" && m.Differs == "" {
				line = about(line, p.partition)
			}
			if line != "" {
				fmt.Fprintf(&b, "                %s %s\n", how, clipped(line))
			}
		}
	}
	tell("->", m.Did)
	if m.Differs != "" {
		fmt.Fprintf(&b, "                %s\n", a.colour(red, "differs here: "+clean(m.Differs)))
		tell("recorded:", m.Recorded)
	}
	if m.Cut != "" {
		fmt.Fprintf(&b, "                %s\n", a.colour(yellow, "the recording of this life ends here: "+clean(m.Cut)))
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func brieflyTold(p *playback, m trace.Moment) string {
	told := m.Told
	if p.partition != "" && len(told) > clippedMost {
		told = "… " + p.partition + " …"
	}
	return strings.TrimSpace(m.Fact + " " + clipped(told))
}

// clippedMost is how long a line for people may be.
const clippedMost = 300

func clipped(line string) string {
	line = clean(line)
	if len(line) > clippedMost {
		line = strings.ToValidUTF8(line[:clippedMost], "") + "…"
	}
	return line
}

// about is what a line says of a partition: of what is written, the beginning and the records that name it; "" for nothing.
func about(line, partition string) string {
	parts := strings.Split(line, "; ")
	if !strings.HasPrefix(line, "write version ") {
		if names(line, partition) || strings.HasPrefix(line, "because: ") {
			return line
		}
		return ""
	}
	kept := parts[:1]
	for _, part := range parts[1:] {
		whose, what, found := strings.Cut(part, ": ")
		if !found || !names(what, partition) {
			continue
		}
		for _, word := range strings.Fields(what) {
			if names(" "+word, partition) {
				kept = append(kept, whose+": "+word)
			}
		}
	}
	return strings.Join(kept, "; ")
}

func differing(moments []trace.Moment) (n int) {
	for _, m := range moments {
		if m.Differs != "" {
			n++
		}
	}
	return n
}

// summary is the last line.
func summary(t *trace.Trace, moments []trace.Moment) string {
	if len(moments) == 0 {
		return "The trace is empty.\n"
	}
	lives := map[uint64]bool{}
	for _, m := range moments {
		lives[m.Life] = true
	}
	text := fmt.Sprintf("\nReplayed %s of %d lives, from %s to %s, recorded by version %s", count(len(moments), "fact"), len(lives),
		moments[0].At.Format(time.DateTime), moments[len(moments)-1].At.Format(time.DateTime), clean(t.Version))
	if differing(moments) == 0 {
		text += ": this version decides the same"
	}
	if t.Dropped > 0 {
		text += fmt.Sprintf("; %s did not fit into the memory of the recorder", count(t.Dropped, "older part"))
	}
	return text + ".\n"
}
