// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"os"
	"strconv"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/trace"
)

// recorder records a process where PARTITEST_RECORD says with how many bytes. Each fleet of each test is then a test of the replay.
func recorder() *parti.Recorder {
	limit, err := strconv.Atoi(os.Getenv("PARTITEST_RECORD"))
	if err != nil {
		return nil
	}
	return parti.NewRecorder(limit)
}

// replay requires that what was recorded is decided again.
func (p *Process) replay() {
	if p.recorder == nil {
		return
	}
	var file bytes.Buffer
	if _, err := p.recorder.WriteTo(&file); err != nil {
		p.fleet.t.Errorf("%s: %v", p.Name, err)
	}
	t, err := trace.Read(&file)
	if err != nil {
		p.fleet.t.Errorf("%s: %v", p.Name, err)
		return
	}
	for _, m := range t.Replay() {
		if m.Differs != "" {
			p.fleet.t.Errorf("%s: %s of life %d at %s: %s %s: %s: now %q, recorded %q", p.Name, m.Kind, m.Life, m.At, m.Fact, m.Told, m.Differs, m.Did,
				m.Recorded)
		}
	}
}
