// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/choria-io/fisk"
	"github.com/stretchr/testify/require"
)

func document(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"whatif", "replay", "cli"} {
		text, err := os.ReadFile("../../docs/" + name + ".md")
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

// Whoever copies a command line from the document gets one that is understood.
func TestEveryCommandLineInTheDocumentIsUnderstood(t *testing.T) {
	lines := regexp.MustCompile(`(?m)^\$ parti (.*)$`).FindAllStringSubmatch(document(t), -1)
	require.Greater(t, len(lines), 15)
	for _, line := range lines {
		text, _, _ := strings.Cut(line[1], " |")
		text, _, _ = strings.Cut(text, " >")
		a := &app{stdout: &sink{}, stderr: &sink{}}
		_, err := a.application().Parse(strings.Fields(strings.ReplaceAll(text, "'", "")))
		require.NoError(t, err, line[0])
		require.NotNil(t, a.work, line[0])
	}
}

func TestEveryCommandIsInTheDocument(t *testing.T) {
	text := document(t)
	a := &app{}
	for _, c := range a.application().Model().Commands {
		if c.Name != "help" {
			require.True(t, regexp.MustCompile(`(?m)^## .*\b`+c.Name+`\b`).MatchString(text), c.Name)
		}
		var flags func(c *fisk.CmdModel)
		flags = func(c *fisk.CmdModel) {
			for _, f := range c.Flags {
				require.True(t, strings.Contains(text, "`--"+f.Name) || strings.Contains(text, " --"+f.Name), "%s --%s", c.FullCommand, f.Name)
			}
			for _, sub := range c.Commands {
				flags(sub)
			}
		}
		flags(c)
	}
}

func TestEveryFieldOfTheJSONIsInTheDocument(t *testing.T) {
	_, text, found := strings.Cut(document(t), "\n## JSON\n")
	require.True(t, found)
	for _, v := range []any{
		groupView{},
		workerView{},
		partitionView{},
		changeView{},
		certificateView{},
		event{},
		verdict{},
		problem{},
		asked{},
		bucketView{},
		problemView{},
		report{},
		leaseView{},
		result{},
		reportPart{},
		explanationView{},
		momentView{},
	} {
		of := reflect.TypeOf(v)
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name != "" && name != "-" {
				require.True(t, strings.Contains(text, "`"+name+"`"), "%s.%s", of, name)
			}
		}
	}
}
