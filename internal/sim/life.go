package sim

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// Begin is when every life begins.
var Begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// calm is how long after the last fault everything must have an owner.
const calm = 3 * time.Minute

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
	for range 3 + f.Draw(4) {
		f.Start()
	}
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
	return NewFleet(newLoop(c, cfg), Defaults(8, 40))
}

// recovers ends every fault and judges what becomes of the fleet.
func (f *Fleet) recovers() {
	f.Store.Start(f.now)
	for _, w := range f.Workers {
		f.Store.Heal(f.now, w.client.id)
	}
	f.Start()
	f.Run(f.now.Add(calm))
	if n := f.Missing(); n > 0 {
		f.breaks("%d partitions have no owner %s after the last fault", n, calm)
	}
	if n := f.Leaders(); n != 1 {
		f.breaks("%d workers lead %s after the last fault", n, calm)
	}
}

// alive counts the processes that run.
func (f *Fleet) alive() (n int) {
	for _, w := range f.Workers {
		if !w.dead {
			n++
		}
	}
	return n
}

// fault does one thing to the fleet. Zero is nothing.
func (f *Fleet) fault() {
	what, w := f.Draw(13), f.Workers[f.Draw(len(f.Workers))]
	note := func(format string, args ...any) {
		if f.Trace != nil {
			f.say("step", fmt.Sprintf(format, args...))
		}
	}
	switch {
	case what == 0:
	case what <= 2 && f.alive() > 2:
		note("crash %s", w.Name)
		w.Crash()
	case what <= 3 && f.alive() > 2:
		note("ask %s to leave", w.Name)
		w.Leave()
	case what <= 5 && f.alive() < 8:
		note("start a process")
		f.Start()
	case what <= 6:
		note("cut the link of %s", w.Name)
		f.Store.Cut(f.now, w.client.id)
	case what <= 7:
		up, down := f.Draw(2) == 0, f.Draw(2) == 0
		note("stall the link of %s, up %t, down %t", w.Name, up, down)
		f.Store.Stall(f.now, w.client.id, up, down)
	case what <= 10:
		note("heal the link of %s", w.Name)
		f.Store.Heal(f.now, w.client.id)
	case what <= 11:
		b, until := store.Bucket(f.Draw(int(store.Buckets))), f.now.Add(f.Spread(4*time.Second))
		note("take the leader from the %s bucket until %s", b, until.Format("15:04:05.000"))
		f.Store.Elect(f.now, b, until)
	default:
		away := f.Spread(10 * time.Second)
		note("stop the store for %s", away)
		f.Store.Stop(f.now)
		f.After(away, func() { f.Store.Start(f.now) })
	}
}
