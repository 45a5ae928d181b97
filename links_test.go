// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linkForms are how a document points to something: a Markdown link, and the attributes of HTML.
var linkForms = []*regexp.Regexp{
	regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)`),
	regexp.MustCompile(`(?:src|srcset|href)="([^"\s]+)"`),
}

// TestEveryLinkInTheDocsResolves: each relative link names a file of the repository, and each anchor a heading in it.
func TestEveryLinkInTheDocsResolves(t *testing.T) {
	pages := documents(t)
	require.Greater(t, len(pages), 20)
	links := 0
	for name, text := range pages {
		for _, form := range linkForms {
			for _, found := range form.FindAllStringSubmatch(prose(text), -1) {
				links++
				assert.NoError(t, resolve(pages, name, found[1]), "%s links to %s", name, found[1])
			}
		}
	}
	require.Greater(t, links, 100)
}

// TestEveryGuideIsInTheIndex: whoever begins at the index finds every page of docs.
func TestEveryGuideIsInTheIndex(t *testing.T) {
	index, err := os.ReadFile("docs/README.md")
	require.NoError(t, err)
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" {
			assert.Contains(t, string(index), "]("+name+")", "docs/README.md does not list %s", name)
		}
	}
}

// documents returns every Markdown file of the repository by its path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(name)
		pages[name] = string(text)
		return err
	})
	require.NoError(t, err)
	return pages
}

// prose returns a document without its code.
func prose(text string) string {
	fenced := false
	var kept []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			kept = append(kept, line)
		}
	}
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(strings.Join(kept, "\n"), "code")
}

func resolve(pages map[string]string, from, link string) error {
	if strings.Contains(link, ":") {
		return nil // another site
	}
	file, anchor, anchored := strings.Cut(link, "#")
	target := from
	if file != "" {
		target = path.Join(path.Dir(from), file)
		if _, err := os.Stat(target); err != nil {
			return err
		}
	}
	if anchored && path.Ext(target) == ".md" && !slices.Contains(anchors(pages[target]), anchor) {
		return fmt.Errorf("%s has no heading #%s", target, anchor)
	}
	return nil
}

// anchors returns the names that GitHub gives to the headings of a document.
func anchors(text string) (names []string) {
	fenced, seen := false, map[string]int{}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		title := strings.TrimLeft(line, "#")
		if fenced || title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, strings.TrimSpace(title))
		if n := seen[name]; n > 0 {
			names = append(names, fmt.Sprintf("%s-%d", name, n))
		} else {
			names = append(names, name)
		}
		seen[name]++
	}
	return names
}

// TestEachPromiseOfTheReadmeHasItsCommand: whoever doubts a line of the README finds a command for it, with tests that exist.
func TestEachPromiseOfTheReadmeHasItsCommand(t *testing.T) {
	pages := documents(t)
	promised := append(firstCells(t, pages["README.md"], "promise"), firstCells(t, pages["README.md"], "event")...)
	require.Greater(t, len(promised), 20)
	require.Equal(t, promised, firstCells(t, pages["docs/verification.md"], "promise or event"))
	_, section, _ := strings.Cut(pages["docs/verification.md"], "\n## What the README promises\n")
	section, _, _ = strings.Cut(section, "\n## ")
	commands := regexp.MustCompile(`go test (?:-tags=\w+ )?(\S+) -run '?([^\s'`+"`"+`]+)`).FindAllStringSubmatch(section, -1)
	require.Greater(t, len(commands), 20)
	for _, c := range commands {
		files, err := filepath.Glob(c[1] + "/*_test.go")
		require.NoError(t, err)
		var all strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			all.Write(text)
		}
		for _, name := range strings.Split(strings.ReplaceAll(c[2], `\`, ""), "|") {
			name, _, _ = strings.Cut(name, "/")
			assert.True(t, regexp.MustCompile(`func Test\w*`+name).MatchString(all.String()), "no test in %s matches %s", c[1], name)
		}
	}
}

// firstCells returns the first column of the table with that head, without what is beside a bold name.
func firstCells(t *testing.T, text, head string) (cells []string) {
	t.Helper()
	_, rows, found := strings.Cut(text, "\n| "+head+" |")
	require.True(t, found, head)
	for _, row := range strings.Split(rows, "\n")[2:] {
		if !strings.HasPrefix(row, "| ") {
			break
		}
		cell, _, _ := strings.Cut(row[2:], " | ")
		if bold := regexp.MustCompile(`^\*\*(.+?)\.\*\*`).FindStringSubmatch(cell); bold != nil {
			cell = bold[1]
		}
		cells = append(cells, cell)
	}
	return cells
}
