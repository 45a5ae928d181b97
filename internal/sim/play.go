// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/store/model"
)

// What a caller of [Play] asked for that is not possible; both are tested with errors.Is.
var (
	// ErrNoProcess: there is no such process, or it has ended.
	ErrNoProcess = errors.New("no such process")
	// ErrImpossible: the process or the store cannot do that now.
	ErrImpossible = errors.New("not possible now")
)

// Most is how many processes of a [Play] live at the same time: there are so many worker IDs.
const Most = 40

// Play is a fleet that somebody plays with. It lives as every [Fleet], on a store without moods, and what goes wrong comes from
// the player. Its time is the caller's: nothing happens but in [Play.Advance].
type Play struct {
	*Fleet
	eyes    *eyes
	news    []News
	refused int       // writes with an epoch that was over
	down    bool      // the store is stopped
	since   time.Time // when the first partition stopped running that does not run again yet; zero for none
	began   bool      // everything ran once
}

// News is one thing that happened, for people.
type News struct {
	At   time.Time
	Kind NewsKind
	Text string
}

// NewsKind is what kind of news it is.
type NewsKind int

// The kinds.
const (
	Done    NewsKind = iota // the player did it
	Seen                    // it followed
	Refused                 // a write with an old epoch was refused
	Over                    // everything runs again
)

// still is the weather of a play: only clients spread their attempts.
var still = odds(0, 0, 0)

// NewPlay returns a fleet whose workers are about to start.
func NewPlay(start time.Time, workers, partitions int, seed uint64) (*Play, error) {
	if workers < 1 || workers > Most {
		return nil, fmt.Errorf("%w: %d workers, allowed: 1 to %d", ErrImpossible, workers, Most)
	}
	if partitions < 1 || partitions > 2000 {
		return nil, fmt.Errorf("%w: %d partitions, allowed: 1 to 2000", ErrImpossible, partitions)
	}
	cfg := Defaults(Most, partitions)
	cfg.Member.Handled = true // a handler for each partition
	network := model.Config{Start: start, Latency: 300 * time.Microsecond, Jitter: 2 * time.Millisecond}
	chance := &chooser{odds: &still}
	for kind := range chance.state {
		chance.state[kind] = seed<<8 | uint64(kind)
	}
	p := &Play{Fleet: NewFleet(newLoop(chance, network), cfg)}
	p.eyes = newEyes(p.Fleet)
	p.wrote = p.eyes.wrote
	for range workers {
		p.Start()
	}
	return p, nil
}

// pace is how often a play looks at what runs.
const pace = 50 * time.Millisecond

// Advance lets time pass.
func (p *Play) Advance(d time.Duration) {
	for until := p.now.Add(d); p.now.Before(until); {
		next := p.now.Add(pace)
		if next.After(until) {
			next = until
		}
		p.Run(next)
		p.notice()
	}
}

// notice notes when partitions stop running, and when all of them run again.
func (p *Play) notice() {
	missing := len(p.source.list()) - p.Running()
	switch {
	case missing > 0 && p.since.IsZero():
		p.since = p.now
	case missing == 0 && !p.since.IsZero():
		after := "the first one stopped"
		if !p.began {
			after = "the start"
		}
		p.tell(Over, "All %d partitions run, %.1f s after %s", len(p.source.list()), p.now.Sub(p.since).Seconds(), after)
		p.since, p.began = time.Time{}, true
	}
	p.bury()
}

// Running counts the partitions that somebody runs.
func (p *Play) Running() (n int) {
	for _, w := range p.Workers {
		if w.dead || w.client.frozen() || w.overslept() {
			continue
		}
		n += len(w.Owned)
		for p := range w.Owned {
			if len(w.user.calls) > 0 && w.user.overstays(p) {
				n--
			}
		}
	}
	return n
}

// mourning is how long a process is shown that has ended.
const mourning = 20 * time.Second

// bury forgets processes that ended some time ago.
func (p *Play) bury() {
	p.Workers = slices.DeleteFunc(p.Workers, func(w *Worker) bool {
		if w.dead && w.client.ice.ended.IsZero() {
			w.client.ice.ended = p.now
			if w.client.ice.leaves {
				p.tell(Seen, "%s has stopped", w.title())
			}
		}
		return w.dead && p.now.Sub(w.client.ice.ended) > mourning
	})
}

func (p *Play) tell(kind NewsKind, format string, args ...any) {
	const most = 1000
	if len(p.news) < most {
		p.news = append(p.news, News{p.now, kind, fmt.Sprintf(format, args...)})
	}
}

func (p *Play) did(format string, args ...any) {
	p.tell(Done, format, args...)
	p.notice()
}

// News returns what has happened since it was asked last.
func (p *Play) News() []News {
	news := p.news
	p.news = nil
	return news
}

// title is what people call a process: by its worker ID, where it has one.
func (w *Worker) title() string {
	if w.session.Worker == "" {
		return w.Name
	}
	return fmt.Sprintf("%s (%s)", w.session.Worker, w.Name)
}

func (p *Play) living(process string) (*Worker, error) {
	for _, w := range p.Workers {
		if w.Name == process && !w.dead {
			return w, nil
		}
	}
	return nil, fmt.Errorf("%w: %q is none that lives", ErrNoProcess, process)
}

// Add starts one more process, and returns its name.
func (p *Play) Add() (process string, err error) {
	if alive := len(p.live()); alive >= Most {
		return "", fmt.Errorf("%w: %d processes live, allowed: %d", ErrImpossible, alive, Most)
	}
	w := p.Start()
	p.did("%s starts", w.Name)
	return w.Name, nil
}

// Kill ends a process without a goodbye.
func (p *Play) Kill(process string) error {
	w, err := p.living(process)
	if err != nil {
		return err
	}
	runs := len(w.Owned)
	w.Crash()
	p.did("%s is killed; it ran %d partitions", w.title(), runs)
	return nil
}

// Stop asks a process to stop: it gives up everything, deletes what it has in the store, and ends.
func (p *Play) Stop(process string) error {
	w, err := p.awake(process)
	if err != nil {
		return err
	}
	w.client.ice.leaves = true
	p.did("%s is asked to stop", w.title())
	w.Leave()
	return nil
}

// Drain asks a process to hand over everything before it stops.
func (p *Play) Drain(process string) error {
	w, err := p.awake(process)
	if err != nil {
		return err
	}
	w.client.ice.leaves = true
	p.did("%s is asked to drain", w.title())
	w.asks(&member.DrainAsked{})
	return nil
}

// awake returns a process that can be asked for something.
func (p *Play) awake(process string) (*Worker, error) {
	w, err := p.living(process)
	if err == nil && w.client.frozen() {
		return nil, fmt.Errorf("%w: %s is frozen; thaw it first", ErrImpossible, process)
	}
	return w, err
}

// Cut breaks the connection of a process to the store until [Play.Heal].
func (p *Play) Cut(process string) error {
	w, err := p.living(process)
	if err != nil {
		return err
	}
	w.client.ice.cut = true
	p.Store.Cut(p.now, w.client.id)
	p.did("%s is cut off from the store", w.title())
	return nil
}

// Heal lets a process connect to the store again.
func (p *Play) Heal(process string) error {
	w, err := p.living(process)
	if err != nil {
		return err
	}
	w.client.ice.cut = false
	p.Store.Heal(p.now, w.client.id)
	p.did("%s can reach the store again", w.title())
	return nil
}

// Freeze stops a process between two instructions, as a debugger or the machine under it does. It does not notice.
func (p *Play) Freeze(process string) error {
	w, err := p.awake(process)
	if err != nil {
		return err
	}
	w.client.freeze()
	p.did("%s is frozen; it had %d partitions", w.title(), len(w.Owned))
	return nil
}

// Thaw lets a frozen process go on. Its handlers are first: each writes once with the epoch that it was given, before anything
// tells the process how late it is. What they write to refuses an epoch that is over.
func (p *Play) Thaw(process string) error {
	w, err := p.living(process)
	if err != nil {
		return err
	}
	if !w.client.frozen() {
		return fmt.Errorf("%w: %s is not frozen", ErrImpossible, process)
	}
	p.did("%s is thawed", w.title())
	refused, example := 0, ""
	for partition, epoch := range w.Owned {
		if now := p.epochs[partition].epoch; now > epoch {
			refused++
			line := fmt.Sprintf("%s with epoch %d, and it is at %d", partition, epoch, now)
			if example == "" || line < example { // whatever the order of the map
				example = line
			}
		}
	}
	if refused > 0 {
		p.tell(Refused, "The fence refuses %d writes of %s, such as to %s", refused, w.title(), example)
	}
	p.refused += refused
	if w.overslept() {
		w.client.ice.dazed = p.now.Add(time.Second)
	}
	w.client.thaw()
	return nil
}

// Jam has the handlers of a process not return when they are told to, until [Play.Free].
func (p *Play) Jam(process string) error {
	w, err := p.awake(process)
	if err != nil {
		return err
	}
	w.client.ice.jammed = true
	w.Become(Mood{Takes: Stuck, Deaf: true})
	p.did("The handlers of %s do not return any more", w.title())
	return nil
}

// Free has the handlers of a process return again.
func (p *Play) Free(process string) error {
	w, err := p.awake(process)
	if err != nil {
		return err
	}
	w.client.ice.jammed = false
	w.Become(Mood{Takes: w.cfg.Hook})
	p.did("The handlers of %s return again", w.title())
	return nil
}

// StopStore stops the store: nobody reaches it until [Play.StartStore].
func (p *Play) StopStore() error {
	if p.down {
		return fmt.Errorf("%w: the store is stopped", ErrImpossible)
	}
	p.down = true
	p.Store.Stop(p.now)
	p.did("The store stops")
	return nil
}

// StartStore starts a stopped store on what it held.
func (p *Play) StartStore() error {
	if !p.down {
		return fmt.Errorf("%w: the store runs", ErrImpossible)
	}
	p.down = false
	p.Store.Start(p.now)
	p.did("The store is back")
	return nil
}
