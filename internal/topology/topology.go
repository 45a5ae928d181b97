// Package topology tells the leader what kind of change it is looking at, which window that change gets, and when the
// window is over. It is a value: facts with their times go in, decisions come out. It reads no clock.
package topology

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Config holds the windows and ratios. See the configuration of the library for what they mean to a user.
type Config struct {
	ColdStartWindow       time.Duration
	PlannedScaleWindow    time.Duration
	EmergencyGracePeriod  time.Duration
	RestartDetectionRatio float64
	MassLossRatio         float64
	HeartbeatInterval     time.Duration
	HeartbeatTTL          time.Duration
	RebalanceCooldown     time.Duration
	ExpectedWorkers       int // 0 for unknown
}

// Phase is what the group is told.
type Phase int

// The phases.
const (
	Idle Phase = iota
	Scaling
	Rebalancing
	Emergency
)

// String names the phase.
func (p Phase) String() string { return [...]string{"idle", "scaling", "rebalancing", "emergency"}[p] }

// Kind is why something happens.
type Kind int

// The kinds.
const (
	None Kind = iota
	KindColdStart
	KindRestart
	KindPlannedScale
	KindEmergency
	KindMassLoss
	Partitions // the source lists others
	Weights    // the source weighs them differently
	KindResume // a handoff was under way when the leader before ended
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"none", "cold start", "restart", "planned scale", "emergency", "mass loss", "partitions", "weights", "resume"}[k]
}

// Decision is what follows at a moment.
type Decision struct {
	Phase   Phase
	Kind    Kind
	Act     bool      // make a plan now, for Members
	Members []string  // sorted; some may be away for a moment and are expected back
	Wake    time.Time // when to ask again if nothing happens; zero for never
	Why     string
}

// Topology is the state.
type Topology struct {
	cfg     Config
	joined  time.Time
	members map[string]bool // of the last plan
	planned bool            // there is a plan
	began   bool

	heard map[string]time.Time // live workers, and when they were last heard of
	left  map[string]time.Time // members that left cleanly
	lost  map[string]time.Time // members whose heartbeat expired

	window   window
	cooldown time.Time // no planned window ends before
	active   Phase     // Rebalancing or Emergency while a plan is carried out
	kind     Kind      // of the plan that is carried out
	sourced  Kind      // Partitions or KindResume: to be planned for at once
	weighed  time.Time // when the weights changed; zero for not
	altered  bool      // members are not as they were when the last plan was made
	replaced int       // members that live in a session the last plan does not know
	held     bool      // the mass loss that is known has been held for long enough
}

// window is a pause in which changes collect.
type window struct {
	kind   Kind
	closes time.Time
}

// New returns the state of a leader that has seen nothing yet. joined is when the leader itself joined the group: a
// cold-start window counts from there, so that a change of leader in the middle of one does not begin it anew. members
// are those of the last plan; planned says whether there is one.
func New(cfg Config, joined time.Time, members []string, planned bool) *Topology {
	t := &Topology{
		cfg: cfg, joined: joined, planned: planned, members: map[string]bool{}, heard: map[string]time.Time{}, left: map[string]time.Time{},
		lost: map[string]time.Time{},
	}
	if planned {
		t.setMembers(members)
	}
	return t
}

func (t *Topology) setMembers(members []string) {
	t.members = make(map[string]bool, len(members))
	for _, m := range members {
		t.members[m] = true
	}
}

// Seen: a heartbeat of the worker arrived, or, before Begin, is as old as that.
func (t *Topology) Seen(now time.Time, worker string) {
	t.heard[worker] = now
	delete(t.left, worker)
	delete(t.lost, worker)
}

// Left: the worker deleted its heartbeat.
func (t *Topology) Left(now time.Time, worker string) {
	delete(t.heard, worker)
	delete(t.lost, worker)
	if _, known := t.left[worker]; t.members[worker] && !known {
		t.left[worker] = now
	}
}

// Lost: the worker's heartbeat expired, or is gone.
func (t *Topology) Lost(now time.Time, worker string) {
	delete(t.heard, worker)
	_, gone := t.left[worker]
	if _, known := t.lost[worker]; t.members[worker] && !known && !gone {
		t.lost[worker] = now
	}
}

// Begin: everything that an earlier leader left is known. Members of whom nothing is known are lost.
func (t *Topology) Begin(now time.Time) {
	t.began = true
	for m := range t.members {
		if _, alive := t.heard[m]; !alive {
			t.Lost(now, m)
		}
	}
	switch {
	case !t.planned:
		t.window = window{KindColdStart, t.joined.Add(t.cfg.ColdStartWindow)}
	case len(t.lost)+len(t.left)+t.expiring(now) == 0:
	case float64(t.living()-t.replaced-t.expiring(now)) < t.cfg.RestartDetectionRatio*float64(len(t.members)):
		t.window = window{KindRestart, t.joined.Add(t.cfg.ColdStartWindow)}
		if !now.Before(t.window.closes) {
			t.window.closes = now.Add(t.cfg.ColdStartWindow) // the leader was here before the others went
		}
	case len(t.lost)+t.expiring(now) > 0 && float64(len(t.lost)+t.replaced+t.expiring(now)) > t.massLoss():
		t.window = window{KindMassLoss, now.Add(t.cfg.HeartbeatTTL)}
	}
}

// expiring counts the members whose heartbeat is older than it can get: they are about to be lost.
func (t *Topology) expiring(now time.Time) int {
	n := 0
	for m := range t.members {
		if at, alive := t.heard[m]; alive && now.Sub(at) >= t.cfg.HeartbeatTTL {
			n++
		}
	}
	return n
}

// Replaced: a member lives in a session that the last plan does not know. Before Begin it tells a leader that more
// sessions have ended than workers are missing: the store was away, and those who are missing are on their way.
func (t *Topology) Replaced(worker string) {
	if t.members[worker] {
		t.replaced++
	}
}

// massLoss is how many members may go at once before the store is suspected.
func (t *Topology) massLoss() float64 { return max(2, t.cfg.MassLossRatio*float64(len(t.members))) }

// PartitionsChanged: the source lists other partitions (Partitions) or other weights (Weights) than were planned for, or
// no others any more (None).
func (t *Topology) PartitionsChanged(now time.Time, k Kind) {
	switch {
	case k == None:
		t.weighed = time.Time{}
	case k == Weights && t.weighed.IsZero():
		t.weighed = now
	case k == Partitions:
		t.sourced = Partitions
	}
}

// MembersAltered: the members describe themselves otherwise than when the last plan was made (another capacity, other
// labels, cordoned or not any more), or as then again.
func (t *Topology) MembersAltered(altered bool) { t.altered = altered }

// Unplanned: some partitions have no owner, because a handoff was under way when the leader before ended.
func (t *Topology) Unplanned(time.Time) { t.sourced = KindResume }

// Planned: the plan that a decision asked for is stored.
func (t *Topology) Planned(now time.Time, members []string) {
	d := t.kind
	t.setMembers(members)
	t.planned = true
	t.cooldown = now.Add(t.cfg.RebalanceCooldown)
	t.active, t.sourced, t.weighed, t.altered = Rebalancing, None, time.Time{}, false
	if d == KindEmergency || d == KindMassLoss {
		t.active = Emergency
	}
	forget := func(m string, _ time.Time) bool { return !t.members[m] }
	maps.DeleteFunc(t.left, forget)
	maps.DeleteFunc(t.lost, forget)
	for m := range t.members {
		// Who went while the plan was being made was no member then.
		if _, alive := t.heard[m]; !alive {
			t.Lost(now, m)
		}
	}
	t.held = t.held && len(t.lost) > 0
	keep := d == Partitions || d == KindResume || (t.active == Emergency && len(t.left) > 0)
	if !keep {
		t.window = window{}
	}
}

// Settled: nothing of the plan is outstanding any more.
func (t *Topology) Settled(time.Time) { t.active = Idle }

// Decide says what follows now.
func (t *Topology) Decide(now time.Time) Decision {
	if !t.began {
		return Decision{}
	}
	t.updateWindow(now)
	d := t.decide(now)
	if d.Act {
		t.kind = d.Kind
		slices.Sort(d.Members)
		return d
	}
	if t.active != Idle {
		d.Phase, d.Kind = t.active, t.kind
	}
	return d
}

// updateWindow opens, turns and cancels the window for what is known now.
func (t *Topology) updateWindow(now time.Time) {
	switch t.window.kind {
	case KindColdStart:
		return
	case KindRestart:
		if t.living()-t.expiring(now) != len(t.members) {
			return
		}
		t.window = window{} // and whoever is new besides opens one of its own
	default:
	}
	if t.planned && float64(t.living()) < t.cfg.RestartDetectionRatio*float64(len(t.members)) {
		t.window = window{KindRestart, now.Add(t.cfg.ColdStartWindow)}
		return
	}
	t.updateHold(now)
	if t.window.kind == KindMassLoss {
		return
	}
	switch {
	case !t.differs():
		t.window = window{}
	case t.window.kind == None:
		t.window = window{KindPlannedScale, now.Add(t.cfg.PlannedScaleWindow)}
	case t.onlyAltered():
		// Members that are restarted one after the other, each with another label: each has the whole window to come back.
		for _, at := range t.left {
			if closes := at.Add(t.cfg.PlannedScaleWindow); closes.After(t.window.closes) {
				t.window.closes = closes
			}
		}
	}
}

// onlyAltered: what is different, those who left apart, is how members describe themselves. That can wait.
func (t *Topology) onlyAltered() bool {
	if !t.altered || !t.weighed.IsZero() {
		return false
	}
	for w := range t.heard {
		if !t.members[w] {
			return false
		}
	}
	return true
}

// updateHold holds when so many members expire together that the store is the likelier culprit.
func (t *Topology) updateHold(now time.Time) {
	switch {
	case len(t.lost) == 0:
		t.held = false
		if t.window.kind == KindMassLoss {
			t.window = window{}
		}
	case t.window.kind == KindMassLoss:
		if !now.Before(t.window.closes) {
			t.held, t.window = true, window{}
		}
	case !t.held && t.suspects(now) > t.massLoss():
		t.window = window{KindMassLoss, t.firstLost().Add(t.cfg.HeartbeatTTL)}
		t.updateHold(now)
	}
}

// suspects counts the members that expired within the last HeartbeatInterval and those that will within the next if
// they are not heard of.
func (t *Topology) suspects(now time.Time) float64 {
	n := 0
	for _, at := range t.lost {
		if now.Sub(at) <= t.cfg.HeartbeatInterval {
			n++
		}
	}
	for m := range t.members {
		if at, alive := t.heard[m]; alive && now.Sub(at) >= t.cfg.HeartbeatTTL-t.cfg.HeartbeatInterval {
			n++
		}
	}
	return float64(n)
}

func (t *Topology) firstLost() (first time.Time) {
	for _, at := range t.lost {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// living counts the members that live.
func (t *Topology) living() int {
	n := 0
	for m := range t.members {
		if _, alive := t.heard[m]; alive {
			n++
		}
	}
	return n
}

// differs: someone is there that was not planned for, or left, or is not as then, or the weights are others.
func (t *Topology) differs() bool {
	if len(t.left) > 0 || t.altered || !t.weighed.IsZero() {
		return true
	}
	for w := range t.heard {
		if !t.members[w] {
			return true
		}
	}
	return false
}

func (t *Topology) live() []string { return slices.Collect(maps.Keys(t.heard)) }

func (t *Topology) decide(now time.Time) Decision {
	if len(t.heard) == 0 {
		return Decision{} // the next heartbeat asks again
	}
	switch t.window.kind {
	case KindColdStart, KindRestart, KindMassLoss:
		if d, more := t.sourceDecision(); more && t.window.kind != KindColdStart {
			return d
		}
		return t.collecting(now)
	default:
	}
	if d, more := t.emergency(now); more {
		return d
	}
	if d, more := t.sourceDecision(); more {
		return d
	}
	if t.window.kind == KindPlannedScale {
		d := t.collecting(now)
		if d.Act && len(t.lost) > 0 && t.onlyAltered() { // until their grace is over
			d = Decision{Phase: Scaling, Kind: t.window.kind, Why: t.why("members expected")}
		}
		if grace := t.graceEnds(); !grace.IsZero() && !d.Act {
			d.Wake = sooner(d.Wake, grace)
		}
		return d
	}
	return Decision{Wake: t.graceEnds()}
}

// collecting waits for the end of the window, or for everyone who is expected.
func (t *Topology) collecting(now time.Time) Decision {
	closes := t.window.closes
	expected := t.cfg.ExpectedWorkers > 0 && len(t.heard) == t.cfg.ExpectedWorkers && len(t.lost) == 0
	if expected && t.window.kind != KindMassLoss {
		closes = now
	}
	if t.window.kind == KindPlannedScale && closes.Before(t.cooldown) {
		closes = t.cooldown
	}
	if now.Before(closes) {
		return Decision{Phase: Scaling, Kind: t.window.kind, Wake: closes, Why: t.why("window open")}
	}
	kind := t.window.kind
	if kind == KindPlannedScale && !t.weighed.IsZero() && !t.moved() {
		kind = Weights
	}
	return Decision{Phase: Rebalancing, Kind: kind, Act: true, Members: t.live(), Why: t.why("window over")}
}

// moved: the difference is more than weights.
func (t *Topology) moved() bool {
	weighed := t.weighed
	t.weighed = time.Time{}
	moved := t.differs()
	t.weighed = weighed
	return moved
}

// emergency acts on members whose grace is over. It takes in everyone who lives, and keeps those who left cleanly and
// whose window is still open: they may come back.
func (t *Topology) emergency(now time.Time) (Decision, bool) {
	act := false
	for _, at := range t.lost {
		act = act || t.held || !now.Before(at.Add(t.cfg.EmergencyGracePeriod))
	}
	if !act {
		return Decision{}, false
	}
	members := t.live()
	for m, at := range t.lost {
		if !t.held && now.Before(at.Add(t.cfg.EmergencyGracePeriod)) {
			members = append(members, m)
		}
	}
	members = slices.AppendSeq(members, maps.Keys(t.left))
	kind := KindEmergency
	if t.held {
		kind = KindMassLoss
	}
	return Decision{Phase: Emergency, Kind: kind, Act: true, Members: members, Why: t.why("members lost")}, true
}

// graceEnds is when the next lost member is acted on; zero for never.
func (t *Topology) graceEnds() (at time.Time) {
	for _, lost := range t.lost {
		at = sooner(at, lost.Add(t.cfg.EmergencyGracePeriod))
	}
	return at
}

// sourceDecision plans for other partitions at once, for the members of the last plan whether they are here just now or
// expected back: nobody else's partitions move because of it.
func (t *Topology) sourceDecision() (Decision, bool) {
	if t.sourced == None || t.living() == 0 {
		return Decision{}, false
	}
	members := slices.Collect(maps.Keys(t.members))
	return Decision{Phase: Rebalancing, Kind: t.sourced, Act: true, Members: members, Why: t.why("partitions without owner")}, true
}

func (t *Topology) why(what string) string {
	return fmt.Sprintf("%s (%s): %d live, %d planned for, %d left, %d lost", what, t.window.kind, len(t.heard), len(t.members), len(t.left), len(t.lost))
}

// sooner returns the earlier of two times; the zero time is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
