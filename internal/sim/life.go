// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"runtime/debug"
	"time"

	"github.com/parti-go/parti/internal/store/model"
)

// Begin is when every life begins.
var Begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// calmLasts is how long after the last fault everything must have an owner.
const calmLasts = 3 * time.Minute

// settledLasts is the last part of that. In it, and in as long a time after it, no partition may change hands twice.
const settledLasts = time.Minute

// Traced has each thing that happens told in one line.
func Traced(tell func(line string)) func(*Fleet) {
	return func(f *Fleet) {
		f.Trace = func(now time.Time, line string) { tell(now.UTC().Format("15:04:05.000000 ") + line) }
	}
}

// Live lives the life of a script: what its steps say, and then a calm in which everything must get an owner. What was promised and not
// kept is in Broken. A panic is among it. Each prepare is called before anything happens.
func Live(s Script, prepare ...func(*Fleet)) (f *Fleet) {
	c := newChooser()
	c.begin(s.block(0))
	f = born(c)
	for _, do := range prepare {
		do(f)
	}
	defer func() {
		if problem := recover(); problem != nil {
			f.breaks("%v", problem)
			f.Stack = string(debug.Stack())
		}
	}()
	c.end()
	for n := 1; n < s.blocks() && f.now.Sub(Begin) < faultsMost && len(f.Broken) == 0; n++ {
		b := s.block(n)
		f.Run(f.now.Add(pause(at(b, 0))))
		f.block = n
		f.rule()
		c.begin(b)
		if at(b, 1) != PointMark {
			f.fault()
		}
		c.end()
	}
	if len(f.Broken) == 0 {
		f.block = s.blocks()
		c.clear()
		f.recovers()
	}
	return f
}

// born is a fleet without workers on the store that its chooser draws.
func born(c *chooser) *Fleet {
	cfg := model.Config{
		Start: Begin, Replicas: 1 + 2*c.draw(2), Latency: 300 * time.Microsecond, Jitter: 3 * time.Millisecond, Commit: 2 * time.Millisecond,
	}
	workers := 3 + c.draw(4)
	f := NewFleet(newLoop(c, cfg), Defaults(8, 40))
	f.characters()
	for range workers {
		f.Start()
	}
	return f
}

// recovers ends every fault and judges what becomes of the fleet.
func (f *Fleet) recovers() {
	f.calms()
	calm := f.now
	f.Run(calm.Add(calmLasts - settledLasts))
	for range 2 {
		f.judge.moves = map[string]int{}
		f.Run(f.now.Add(settledLasts))
		f.whole(f.now.Sub(calm))
	}
}

// whole judges that everything has an owner, so long after the last fault.
func (f *Fleet) whole(calm time.Duration) {
	if n := f.Missing(); n > 0 {
		f.breaks("I3: %d partitions have no owner %s after the last fault", n, calm)
	}
	if p := f.unlisted(); p != "" {
		f.breaks("I3: %s runs and is not listed, %s after the last fault", p, calm)
	}
	if n := f.Leaders(); n != 1 {
		f.breaks("I3: %d workers lead %s after the last fault", n, calm)
	}
}
