// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
)

// page has a row for each mutant: its name, what it breaks, the test that catches it, and, where lives were lived with it, the first one
// that broke a promise.
const page = "docs/verification.md"

const heading = "| mutant | what is broken | caught by | broken in |\n| --- | --- | --- | --- |\n"

// verdicts are the last two cells of a row.
type verdicts struct{ test, life string }

func (v verdicts) String() string { return strings.TrimSuffix(v.test+"; "+v.life, "; ") }

func (r result) verdicts(before verdicts) verdicts {
	v := verdicts{r.verdict(), before.life}
	if r.lived {
		v.life = cmp.Or(r.life, "no life")
	}
	if r.life != "" && r.test == "" && r.timeout == "" {
		v.test = "no test"
	}
	return v
}

// rows is the table: all mutants in the order of the code, with the verdicts given for them.
func rows(known map[string]verdicts) string {
	var table strings.Builder
	for _, m := range all() {
		v := known[m.name]
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", m.name, m.breaks, cmp.Or(v.test, "not run yet"), v.life)
	}
	return table.String()
}

// split cuts a page into what is before the rows of its table, the rows, and what comes after.
func split(text string) (before, table, after string, err error) {
	before, rest, found := strings.Cut(text, heading)
	if !found {
		return "", "", "", fmt.Errorf("%s has no table that begins with %q", page, heading)
	}
	table, after, _ = strings.Cut(rest, "\n\n")
	return before + heading, table + "\n", "\n" + after, nil
}

// parse returns the verdicts in the rows of a table, by mutant.
func parse(table string) map[string]verdicts {
	known := map[string]verdicts{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(strings.Trim(line, "|\n"), "|"); len(cells) == 4 {
			known[strings.TrimSpace(cells[0])] = verdicts{strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
		}
	}
	return known
}

// writes puts a result into the page, and leaves the verdicts of all other mutants what they were.
func (l *laboratory) writes(r result) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, table, after, err := split(string(text))
	if err != nil {
		return err
	}
	known := parse(table)
	known[r.mutant.name] = r.verdicts(known[r.mutant.name])
	return os.WriteFile(page, []byte(before+rows(known)+after), 0o600)
}
