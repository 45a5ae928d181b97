// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"fmt"
	"slices"

	"github.com/parti-go/parti/strategy"
)

// Ask says what a change would do to a fleet whose leader plans with a strategy. The change may name another strategy. With
// the zero Change, Ask says what the leader would do by itself: nothing, if the fleet is at rest.
//
// The answer assumes that nothing else happens: no other worker comes or goes, and each plan is carried out before the next
// one is made. For strategies that implement [strategy.Homing], the home of each partition is its present owner. The leader
// may know other homes: see [strategy.Homing].
func Ask(f Fleet, c Change, s strategy.Strategy) (Answer, error) {
	if err := c.check(&f); err != nil {
		return Answer{}, err
	}
	p, err := newPlanner(&f, c, s)
	if err != nil {
		return Answer{}, err
	}
	before := p.balance(p.present(), p.before, f.Partitions)
	p.leave()
	if err := p.first(); err != nil {
		return Answer{}, err
	}
	if err := p.later(); err != nil {
		return Answer{}, err
	}
	p.keep()
	a := Answer{
		Change: c.String(), Strategy: strategy.Describe(p.strategy), Before: before, After: p.balance(p.last, p.list, p.partitions),
		Moves: p.moves, Waits: p.waits, Ownerless: p.ownerless(), LeastMoves: p.least(),
	}
	a.Notes = p.notes(a)
	a.Verdict = p.verdict(a)
	return a, nil
}

// planner plays the leader: it plans first for what has no owner, and then for what is uneven.
type planner struct {
	fleet    *Fleet
	change   Change
	strategy strategy.Strategy
	how      map[string]departure // of those that go
	added    map[string]bool      // partitions

	members    []strategy.Worker // that stay
	joining    []strategy.Worker
	last       []strategy.Worker  // of the last plan
	partitions []Partition        // with their present owners, as the plans go on
	from       []string           // their owners before the change; "" for nobody
	home       []string           // those of them that stay
	list       *strategy.Prepared // of partitions
	before     *strategy.Prepared // the same before the change
	uneven     bool
	mildly     bool // the new weights alone are too even to plan for
	twoPlans   bool
	moves      []Move
	waits      []Wait
	closed     bool // nobody is left who can take partitions
	kept       bool // workers that drain keep what nobody can take over
}

func newPlanner(f *Fleet, c Change, s strategy.Strategy) (*planner, error) {
	p := &planner{fleet: f, change: c, strategy: s, how: c.goes(), added: map[string]bool{}, moves: []Move{}, waits: []Wait{}}
	if c.Strategy != nil {
		p.strategy = c.Strategy
	}
	ids, err := f.free(c.Join)
	if err != nil {
		return nil, err
	}
	for _, w := range f.Workers {
		switch {
		case p.how[w.ID] != stays, w.Leaving:
		case w.Joining:
			p.joining = append(p.joining, w.Worker)
		default:
			p.members = append(p.members, w.Worker)
		}
	}
	for _, id := range ids {
		p.joining = append(p.joining, strategy.Worker{ID: id, Capacity: c.Capacity, Labels: c.Labels})
	}
	p.relist()
	if p.before, err = prepared(f.Partitions); err == nil {
		p.list, err = prepared(p.partitions)
	}
	return p, err
}

func prepared(partitions []Partition) (*strategy.Prepared, error) {
	list := make([]strategy.Partition, len(partitions))
	for i := range list {
		list[i] = partitions[i].Partition
	}
	return strategy.Prepare(list)
}

// relist is the list after the change, sorted.
func (p *planner) relist() {
	removed := make(map[string]bool, len(p.change.Remove))
	for _, id := range p.change.Remove {
		removed[id] = true
	}
	for _, q := range p.fleet.Partitions {
		id := q.ID()
		if removed[id] {
			continue
		}
		if w, is := p.change.Weights[id]; is {
			q.Weight = w
		}
		p.partitions = append(p.partitions, q)
	}
	for _, q := range p.change.Add {
		p.partitions = append(p.partitions, Partition{Partition: q})
		p.added[q.ID()] = true
	}
	slices.SortFunc(p.partitions, func(a, b Partition) int { return slices.Compare(a.Keys, b.Keys) })
}

// present is the workers that have partitions now or are planned for.
func (p *planner) present() (list []strategy.Worker) {
	for _, w := range p.fleet.Workers {
		if !w.Joining {
			list = append(list, w.Worker)
		}
	}
	return list
}

// leave notes who had what, and takes away what those had who go.
func (p *planner) leave() {
	stay := make(map[string]bool, len(p.members))
	for _, w := range p.members {
		stay[w.ID] = true
	}
	p.from, p.home = make([]string, len(p.partitions)), make([]string, len(p.partitions))
	for i := range p.partitions {
		q := &p.partitions[i]
		p.from[i] = q.Owner
		if !stay[q.Owner] {
			q.Owner = ""
		}
		p.home[i] = q.Owner
	}
}

// first plans for what has no owner. What others hold stays where it is. A fleet that nobody of is left takes in whoever
// joins at once.
func (p *planner) first() error {
	p.last = p.members
	if !p.open() {
		p.last, p.joining = slices.Concat(p.members, p.joining), nil
	}
	orphan := func(q Partition) bool { return q.Owner == "" }
	if !p.open() || !slices.ContainsFunc(p.partitions, orphan) {
		return nil
	}
	return p.plan(First)
}

// later plans for an even load, where there is a reason to.
func (p *planner) later() error {
	if !p.open() {
		return nil
	}
	asked := p.uneven || len(p.joining) > 0 || p.change.Strategy != nil
	if !asked && len(p.change.Weights) > 0 {
		asked = p.drifted()
		p.mildly = !asked
	}
	if !asked {
		return nil
	}
	before := len(p.moves)
	p.last = slices.Concat(p.last, p.joining)
	err := p.plan(Later)
	p.twoPlans = before > 0 && len(p.moves) > before
	return err
}

// open says that somebody can take partitions.
func (p *planner) open() bool {
	return slices.ContainsFunc(p.fleet.open(p.last), func(w strategy.Worker) bool { return !w.Cordoned })
}

// keep gives back what nobody can take over from workers that drain or leave. They keep it until another worker joins.
func (p *planner) keep() {
	if p.closed = !p.open(); !p.closed {
		return
	}
	waiting := map[string]bool{}
	for i := range p.partitions {
		q, from := &p.partitions[i], p.from[i]
		w := p.fleet.worker(from)
		if q.Owner != "" || w == nil {
			continue
		}
		if how := p.how[from]; how == drained || how == stays && w.Leaving {
			q.Owner, p.home[i], waiting[from], p.kept = from, from, true, true
		}
	}
	for _, w := range p.fleet.Workers {
		if waiting[w.ID] {
			p.last = append(slices.Clip(p.last), w.Worker)
		}
	}
}

// plan has the strategy plan and notes what moves.
func (p *planner) plan(when string) error {
	workers := p.fleet.open(p.last)
	q := strategy.Question{Workers: workers, List: p.list, Previous: p.owners(workers), Home: indices(workers, p.home)}
	plan, err := asked(p.strategy, q)
	if err != nil {
		return err
	}
	p.waits = []Wait{}
	for _, w := range plan.Waits {
		wait := Wait{Cause: w.Cause, AfterMS: w.After.Milliseconds(), Partitions: []string{}}
		for _, at := range w.Partitions {
			wait.Partitions = append(wait.Partitions, p.partitions[at].ID())
		}
		p.waits = append(p.waits, wait)
	}
	for i, to := range plan.Owners {
		was := &p.partitions[i]
		switch {
		case to == strategy.None || to == q.Previous[i]:
		case when == First && q.Previous[i] != strategy.None:
			p.uneven = true
		default:
			p.moves = append(p.moves, p.move(i, workers[to].ID, when))
			was.Owner = workers[to].ID
		}
	}
	return nil
}

// asked asks a strategy, which may be the user's. One that panics has failed.
func asked(s strategy.Strategy, q strategy.Question) (plan strategy.Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %s panics: %v", ErrStrategyFailed, strategy.Describe(s), r)
		}
	}()
	if plan, err = strategy.Ask(s, q); err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrStrategyFailed, strategy.Describe(s), err)
	}
	return plan, err
}

// drifted says whether the weights make the loads so uneven that the leader plans because of them.
func (p *planner) drifted() bool {
	var open []strategy.Worker
	for _, w := range p.fleet.open(p.last) {
		if !w.Cordoned {
			open = append(open, w)
		}
	}
	owners := p.owners(open)
	now := strategy.Question{Workers: open, List: p.list, Previous: owners}.Certify(owners)
	return now.Imbalance >= now.LeastImbalance*(1+p.fleet.Timing.MinRebalanceThreshold)
}

// owners is who has each partition now, as indices of workers.
func (p *planner) owners(workers []strategy.Worker) []int {
	names := make([]string, len(p.partitions))
	for i, q := range p.partitions {
		names[i] = q.Owner
	}
	return indices(workers, names)
}

func indices(workers []strategy.Worker, names []string) []int {
	index := make(map[string]int, len(workers))
	for i, w := range workers {
		index[w.ID] = i
	}
	out := make([]int, len(names))
	for i, name := range names {
		out[i] = find(index, name)
	}
	return out
}

// open is workers as a strategy sees them: those that are away take nothing new. Where all others are cordoned none of them
// is, rather than leave partitions without an owner.
func (f *Fleet) open(workers []strategy.Worker) []strategy.Worker {
	out, away, all := slices.Clone(workers), make([]bool, len(workers)), true
	for i, w := range workers {
		known := f.worker(w.ID)
		away[i] = known != nil && known.Away
		all = all && (w.Cordoned || away[i])
	}
	for i := range out {
		out[i].Cordoned = away[i] || out[i].Cordoned && !all
	}
	return out
}

// least is how many partitions have to move at least.
func (p *planner) least() int {
	workers, homeless := p.last, 0
	if len(workers) == 0 {
		return 0
	}
	next := p.owners(workers)
	for i := range next {
		if p.home[i] == "" && p.from[i] != "" && next[i] != strategy.None {
			homeless++
		}
	}
	q := strategy.Question{Workers: workers, List: p.list, Previous: indices(workers, p.home)}
	return homeless + q.Certify(next).LeastMoves
}
