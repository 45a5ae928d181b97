// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti"
)

// reportPart is what --json writes of one part of a report.
type reportPart struct {
	Part  string `json:"part"`
	File  string `json:"file,omitempty"` // in the report; "" where there is nothing
	Bytes int    `json:"bytes"`
	Error string `json:"error,omitempty"`
	text  []byte
}

// inquiry is what a report is asked for.
type inquiry struct {
	output    string
	since     time.Duration
	anonymous bool
	settle    time.Duration
}

// report adds the command that collects what a bug report needs.
func (a *app) report(parent *fisk.Application) {
	q := inquiry{settle: 2 * time.Second}
	cmd := parent.Command("report", "Collect what a bug report needs in one file: buckets, records, journal, workers, and the result of "+
		"check; look through it before you send it")
	cmd.Flag("output", "Where to write: a .tar.gz that does not exist yet, or else a new directory").
		PlaceHolder("PATH").StringVar(&q.output)
	durationVar(cmd.Flag("since", "How far back to read the journal (default 1h)").Default("1h"), &q.since)
	cmd.Flag("anonymous", "Replace the names and addresses of hosts and servers").UnNegatableBoolVar(&q.anonymous)
	a.do(cmd, func(ctx context.Context) error {
		now := time.Now().UTC()
		if q.since <= 0 {
			return exit{exitUsage, fmt.Errorf("--since is %s, allowed: more than 0", q.since)}
		}
		if q.output == "" {
			q.output = "parti-report-" + cmp.Or(a.group.name, "group") + "-" + now.Format("20060102-150405") + ".tar.gz"
		}
		if _, err := os.Lstat(q.output); err == nil {
			return fmt.Errorf("--output %s exists, allowed: a path where nothing is yet", q.output)
		}
		parts := a.collect(ctx, q)
		if err := writeReport(q.output, parts, now); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		return a.told(q, parts)
	})
}

// told says what is in the report and what is not.
func (a *app) told(q inquiry, parts []reportPart) error {
	if a.json {
		return a.write(struct {
			Output string       `json:"output"`
			Parts  []reportPart `json:"parts"`
		}{q.output, parts})
	}
	t := newTable("PART", "FILE", "BYTES", "PROBLEM")
	for _, p := range parts {
		problem, _, more := strings.Cut(p.Error, "\n")
		if more {
			problem += " …"
		}
		t.add(p.Part, cmp.Or(p.File, "-"), number(p.Bytes), a.colour(red, problem))
	}
	text := t.String() + "\nWritten to " + q.output + ".\n" +
		"Look through it before you send it. Credentials are left out. The names of partitions, workers, groups and buckets are in it, as are reasons and errors"
	if !q.anonymous {
		text += ", and the names of hosts and servers (--anonymous replaces those)"
	}
	_, err := io.WriteString(a.stdout, text+".\n")
	return err
}

// collect makes all parts. Each may fail alone. They come one after the other: what the server has to say against a request comes
// beside the answers, and would be taken for what it says against another one.
func (a *app) collect(ctx context.Context, q inquiry) []reportPart {
	r := &reporter{app: a, inquiry: q}
	var configured error
	if r.cfg, configured = a.group.config(); configured != nil {
		r.cfg = parti.Config{Group: a.group.name}
		r.cfg.ApplyDefaults()
	}
	bounded, cancel := a.bounded(ctx)
	js, connected := a.connection.jetStream(bounded)
	cancel()
	if connected == nil {
		defer js.Conn().Close()
		r.link = &link{js: js, cfg: r.cfg}
	}
	makers := r.makers(configured, connected)
	parts := make([]reportPart, 0, len(makers))
	for _, m := range makers {
		bounded, cancel := a.bounded(ctx)
		text, err := m.make(bounded)
		cancel()
		p := reportPart{Part: m.name}
		if err != nil {
			p.Error = err.Error()
		}
		if len(text) > 0 {
			p.File, p.text = m.file, text
		}
		parts = append(parts, p)
	}
	r.clean(parts)
	for i := range parts {
		parts[i].Bytes = len(parts[i].text)
	}
	return append(parts, contents(parts))
}

// contents is the part that names the others.
func contents(parts []reportPart) reportPart {
	var b bytes.Buffer
	b.WriteString("A report of parti. What is in it, and what is missing and why:\n\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "%-14s %s\n", p.Part, cmp.Or(p.File, "(nothing)"))
		for line := range strings.Lines(p.Error) {
			fmt.Fprintf(&b, "%-14s   problem: %s\n", "", strings.TrimSuffix(line, "\n"))
		}
	}
	return reportPart{Part: "contents", File: "CONTENTS.txt", Bytes: b.Len(), text: b.Bytes()}
}

// writeReport writes the parts into a new archive, or into a new directory. Nothing that exists is written over.
func writeReport(output string, parts []reportPart, now time.Time) error {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p reportPart) bool { return p.File == "" })
	if !strings.HasSuffix(output, ".tar.gz") && !strings.HasSuffix(output, ".tgz") {
		if err := os.Mkdir(output, 0o700); err != nil {
			return err
		}
		for _, p := range parts {
			if err := os.WriteFile(filepath.Join(output, p.File), p.text, 0o600); err != nil {
				return err
			}
		}
		return nil
	}
	file, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(archive(file, parts, now), file.Close())
}

func archive(w io.Writer, parts []reportPart, now time.Time) error {
	packed := gzip.NewWriter(w)
	t := tar.NewWriter(packed)
	for _, p := range parts {
		header := &tar.Header{Name: "parti-report/" + p.File, Mode: 0o600, Size: int64(len(p.text)), ModTime: now}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if _, err := t.Write(p.text); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), packed.Close())
}
