// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheTableOfDependenciesIsThatOfGoMod: a dependency needs a reason, and a reason a dependency.
func TestTheTableOfDependenciesIsThatOfGoMod(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	document, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(document), "\n## Dependencies\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	var direct, named []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) { // an indirect one has a comment
		direct = append(direct, m[1])
	}
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			named = append(named, m[1])
			assert.NotEmpty(t, strings.TrimSpace(cells[3]), "%s has no reason", m[1])
		}
	}
	require.NotEmpty(t, direct)
	require.ElementsMatch(t, direct, named, "allowed: one row of docs/architecture.md, Dependencies, for each module that go.mod requires directly")
}

// TestTheGuidesInstallTheServerOfGoMod: the version that readers install is the one that the tests have run with.
func TestTheGuidesInstallTheServerOfGoMod(t *testing.T) {
	const server = "github.com/nats-io/nats-server/v2"
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	tested := regexp.MustCompile(server + ` (v\S+)`).FindStringSubmatch(string(mod))
	require.NotNil(t, tested)
	for _, page := range []string{"README.md", "docs/getting-started.md"} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		shown := regexp.MustCompile(server + `@(v[\w.-]+)`).FindStringSubmatch(string(text))
		require.NotNil(t, shown, page)
		assert.Equal(t, tested[1], shown[1], page)
	}
}

// TestItBuildsOnEverySystem takes a minute where nothing is cached, so it has to be asked for.
func TestItBuildsOnEverySystem(t *testing.T) {
	if os.Getenv("PARTITEST_BUILDS") == "" {
		t.Skip("builds for six systems: PARTITEST_BUILDS=1 go test . -run TestItBuildsOnEverySystem, or task builds")
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, processor := range []string{"amd64", "arm64"} {
			t.Run(system+"/"+processor, func(t *testing.T) {
				build := exec.CommandContext(t.Context(), "go", "build", "./...")
				build.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+processor, "CGO_ENABLED=0")
				out, err := build.CombinedOutput()
				require.NoError(t, err, "%s", out)
			})
		}
	}
}

// TestEveryFileNamesItsLicense: as the appendix of LICENSE asks, in the short form of SPDX.
func TestEveryFileNamesItsLicense(t *testing.T) {
	const header = "// Copyright The Parti Authors\n// SPDX-License-Identifier: Apache-2.0\n\n"
	files := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		assert.True(t, strings.HasPrefix(string(text), header), "%s does not begin with %q", path, header)
		return err
	}))
	require.Greater(t, files, 300)
}
