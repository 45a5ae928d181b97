// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// write writes a value as JSON.
func (a *app) write(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table is a table of text with columns as wide as their widest cell.
type table struct{ rows [][]string }

// newTable returns a table with a heading.
func newTable(heading ...string) *table { return &table{rows: [][]string{heading}} }

// add adds a row.
func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// coloured is what this command itself writes to change the colour.
var coloured = regexp.MustCompile(`^\x1b\[[0-9]*m`)

// clean takes out of a text what would steer the terminal, except colours. Hosts, reasons and the keys of a bucket come from
// outside.
func clean(text string) string {
	if !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		if unicode.IsControl(r) && !coloured.MatchString(text[i:]) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}

// String returns the lines of the table.
func (t *table) String() string {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-width(cell)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// width is how many characters of a cell are seen.
func width(cell string) int {
	seen := utf8.RuneCountInString(cell)
	for rest := cell; ; {
		_, after, coloured := strings.Cut(rest, escape)
		if !coloured {
			return seen
		}
		code, text, _ := strings.Cut(after, "m")
		seen -= utf8.RuneCountInString(escape+code) + 1
		rest = text
	}
}

// cut shortens a line to so many characters that are seen; 0 for any number. Colours stay closed.
func cut(line string, columns int) string {
	if columns <= 0 || width(line) <= columns {
		return line
	}
	var b strings.Builder
	left, painted := columns-1, false
	for left > 0 {
		if code := coloured.FindString(line); code != "" {
			b.WriteString(code)
			painted, line = code != escape+"0m", line[len(code):]
			continue
		}
		r, n := utf8.DecodeRuneInString(line)
		b.WriteRune(r)
		line, left = line[n:], left-1
	}
	b.WriteString("…")
	if painted {
		b.WriteString(escape + "0m")
	}
	return b.String()
}

// show writes a value as JSON where that was asked for, and as a table otherwise.
func (a *app) show(v any, t *table) error {
	if a.json {
		return a.write(v)
	}
	_, err := io.WriteString(a.stdout, t.String())
	return err
}

// isTerminal reports whether somebody looks at what is written.
func isTerminal(w io.Writer) bool {
	file, is := w.(*os.File)
	if !is {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// wantsColours heeds NO_COLOR (https://no-color.org) and terminals without colours.
func wantsColours() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

// The colours.
const (
	escape = "\x1b["

	red    = "31"
	green  = "32"
	yellow = "33"
)

func (a *app) colour(colour, text string) string {
	if !a.colours || text == "" {
		return text
	}
	return escape + colour + "m" + text + escape + "0m"
}

// ago says how long ago something was; "" for never.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return brief(max(now.Sub(t), 0))
}

// brief writes a duration in its two largest units.
func brief(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
