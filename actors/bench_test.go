package actors

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// planner is a calculator without a store: what it would write is encoded, and counts as stored.
type planner struct {
	*calculator
	sessions uint64
	written  int // records
}

func newPlanner(b *testing.B, workers, partitions int) *planner {
	strategist := newStrategist(strategy.NewConsistentHash(), time.Minute)
	p := &planner{calculator: newCalculator(nil, nil, Settings{
		Store: kv.Config{OperationTimeout: time.Minute}, HomeRetention: time.Minute,
	}, strategist, nil, kv.Fence{Term: 1}, time.Time{}, 0, 0, 0).(*calculator)}
	p.ledger = ledger.New(1, 0)
	list := make([]strategy.Partition, partitions)
	for i := range list {
		list[i] = strategy.Partition{Keys: []string{"topic", fmt.Sprintf("%07d", i)}}
	}
	p.source = newListing(list)
	for i := range workers {
		id := fmt.Sprintf("worker-%04d", i)
		p.arrive(id)
		p.members = append(p.members, id)
	}
	p.replan(b, p.members)
	return p
}

func (p *planner) arrive(id string) {
	p.sessions++
	p.workers[id] = worker{session: p.sessions}
	p.ledger.SessionSeen(id, p.sessions, 0)
}

func (p *planner) leave(id string) {
	p.ledger.SessionEnded(id, p.workers[id].session)
	delete(p.workers, id)
}

// replan is the way from a change of members to what is stored: question, strategy, certificate, the ledger's
// differences, encoded records.
func (p *planner) replan(b *testing.B, members []string) {
	made := p.strategist.target(b.Context(), topology.Decision{Members: members}, p.question(time.Now(), members))
	if made.err != nil {
		b.Fatal(made.err)
	}
	p.adopt(made)
	p.store(b)
	p.members = members
}

// store encodes what the ledger proposes and books it.
func (p *planner) store(b *testing.B) {
	w, changed := p.ledger.Propose()
	out := planWrite(w, p.nextPlan(time.Now(), w, changed))
	for _, a := range out.Assignments {
		if _, err := json.Marshal(a); err != nil {
			b.Fatal(err)
		}
	}
	p.written += len(out.Assignments) + len(out.Remove)
	p.stored = out.Plan
	p.ledger.Stored(w)
}

// acknowledge has every worker let go of what it was asked to.
func (p *planner) acknowledge() {
	for _, h := range p.ledger.Pending() {
		p.ledger.SessionSeen(h.Worker, h.Session, p.ledger.Version())
	}
}

// BenchmarkCalculator is the leader's whole way from a worker that is lost to encoded records (leave), and from one that
// joins to the records that ask others to let go, and then those that grant (join). records is how many were written.
func BenchmarkCalculator(b *testing.B) {
	for _, size := range [][2]int{{200, 10_000}, {1000, 100_000}} {
		for _, change := range []string{"leave", "join"} {
			b.Run(fmt.Sprintf("%s/W=%d/P=%d", change, size[0], size[1]), func(b *testing.B) {
				p := newPlanner(b, size[0], size[1])
				all, gone := p.members, p.members[size[0]/2]
				fewer := append(append([]string{}, all[:size[0]/2]...), all[size[0]/2+1:]...)
				leave := func() {
					p.leave(gone)
					p.replan(b, fewer)
				}
				join := func() {
					p.arrive(gone)
					p.replan(b, all)
					p.acknowledge()
					p.store(b)
				}
				timed, untimed := leave, join
				if change == "join" {
					timed, untimed = join, leave
					leave()
				}
				b.ReportAllocs()
				written, runs := 0, 0
				for b.Loop() {
					before := p.written
					timed()
					written += p.written - before
					runs++
					b.StopTimer()
					untimed()
					b.StartTimer()
				}
				b.ReportMetric(float64(written)/float64(runs), "records")
			})
		}
	}
}
