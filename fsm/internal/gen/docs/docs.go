// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package docs knows where the generated sections of the documents are.
package docs

import (
	"path/filepath"
	"strings"

	"github.com/parti-go/parti/fsm"
)

// sections are what is generated, by the name in the markers.
func sections() map[string]string {
	return map[string]string{
		"fsm:mermaid": "```mermaid\n" + fsm.Mermaid(fsm.Compact()) + "```\n",
		"fsm:full":    "```mermaid\n" + fsm.Mermaid() + "```\n",
		"fsm:dot":     "```dot\n" + fsm.DOT() + "```\n",
		"fsm:table":   fsm.Markdown(),
	}
}

// Begin and End are the markers of a section.
func Begin(name string) string { return "<!-- " + name + ":begin -->" }

// End is the marker after a section.
func End(name string) string { return "<!-- " + name + ":end -->" }

// Files lists the documents below the project's root that can have sections.
func Files(root string) ([]string, error) {
	return filepath.Glob(filepath.Join(root, "docs", "*.md"))
}

// Refresh returns the text with every section in it brought up to date.
func Refresh(text string) string {
	for name, section := range sections() {
		before, rest, found := strings.Cut(text, Begin(name))
		_, after, closed := strings.Cut(rest, End(name))
		if found && closed {
			text = before + Begin(name) + "\n" + section + End(name) + after
		}
	}
	return text
}
