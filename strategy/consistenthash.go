package strategy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// ConsistentHash places workers on a ring of hashes (xxhash) and gives a partition to the first worker at or after the
// partition's own hash that still has room: consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam,
// "Consistent Hashing with Bounded Loads", 2016). It is sticky inside the bounds: the present owner keeps what it has
// as long as no worker is above fair × bound, and gives up only what a worker below fair ÷ bound lacks; fair is the
// load in proportion to capacity. Bounds are never tighter than one partition, the heaviest.
type ConsistentHash struct {
	virtualNodes int
	bound        float64
	err          error
}

// Option sets something of a ConsistentHash.
type Option func(*ConsistentHash)

// ErrInvalidOption says that an option of a strategy is out of range; Assign returns it.
var ErrInvalidOption = fmt.Errorf("invalid option")

// WithVirtualNodes sets how many places on the ring a worker of capacity 100 has; more spread the load better and cost
// time and memory. The default is 150; allowed is 1 to 10,000.
func WithVirtualNodes(n int) Option {
	return func(c *ConsistentHash) {
		if n < 1 || n > 10_000 {
			c.err = fmt.Errorf("%w: WithVirtualNodes is %d, allowed: 1 to 10000", ErrInvalidOption, n)
			return
		}
		c.virtualNodes = n
	}
}

// WithLoadBound sets how far a worker's load may be from its fair share: at most fair × bound, at least fair ÷ bound.
// The default is 1.1; allowed is more than 1 up to 100. Closer to 1 is more even and moves more.
func WithLoadBound(bound float64) Option {
	return func(c *ConsistentHash) {
		if !(bound > 1 && bound <= 100) {
			c.err = fmt.Errorf("%w: WithLoadBound is %g, allowed: more than 1, at most 100", ErrInvalidOption, bound)
			return
		}
		c.bound = bound
	}
}

// NewConsistentHash returns the strategy.
func NewConsistentHash(opts ...Option) *ConsistentHash {
	c := &ConsistentHash{virtualNodes: 150, bound: 1.1}
	for _, o := range opts {
		o(c)
	}
	return c
}

// Assign implements Strategy.
func (c *ConsistentHash) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	if c.err != nil {
		return nil, c.err
	}
	if err := validate(workers, partitions, previous); err != nil {
		return nil, err
	}
	p := c.newPlacement(workers, partitions, previous)
	p.keep()
	p.shed()
	p.place()
	p.fill()
	return p.next, nil
}

// placement is one plan in the making.
type placement struct {
	workers    []Worker
	partitions []Partition
	hashes     []uint64
	order      []int // partitions by hash, ties by ID
	next       []int
	previous   []int
	load       []int64
	most       []int64 // upper bound of each worker's load
	least      []int64 // lower bound
	ring       []point
}

// point is one virtual node.
type point struct {
	hash   uint64
	worker int
}

func (c *ConsistentHash) newPlacement(workers []Worker, partitions []Partition, previous []int) *placement {
	p := &placement{
		workers: workers, partitions: partitions, previous: previous, next: make([]int, len(partitions)),
		hashes: make([]uint64, len(partitions)), order: make([]int, len(partitions)),
		load: make([]int64, len(workers)), most: make([]int64, len(workers)), least: make([]int64, len(workers)),
		ring: c.ring(workers),
	}
	var total, room, heaviest int64
	ids := make([]string, len(partitions))
	for i, q := range partitions {
		ids[i] = q.ID()
		p.hashes[i], p.order[i], p.next[i] = xxhash.Sum64String(ids[i]), i, None
		total += q.Load()
		heaviest = max(heaviest, q.Load())
	}
	for _, w := range workers {
		room += w.Room()
	}
	for i, w := range workers {
		fair := float64(total) * float64(w.Room()) / float64(room)
		p.most[i] = max(int64(math.Ceil(fair*c.bound)), int64(math.Ceil(fair))+heaviest-1)
		p.least[i] = min(int64(math.Floor(fair/c.bound)), max(int64(math.Floor(fair))-heaviest+1, 0))
	}
	slices.SortFunc(p.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(p.hashes[a], p.hashes[b]), cmp.Compare(ids[a], ids[b]))
	})
	return p
}

func (c *ConsistentHash) ring(workers []Worker) []point {
	ring := make([]point, 0, len(workers)*c.virtualNodes)
	for _, i := range sorted(workers) {
		w := workers[i]
		n := max(1, int(int64(c.virtualNodes)*min(w.Room(), 100*defaultCapacity)/defaultCapacity))
		name := append([]byte(w.ID), '#')
		for v := range n {
			ring = append(ring, point{xxhash.Sum64(strconv.AppendInt(name[:len(w.ID)+1], int64(v), 10)), i})
		}
	}
	slices.SortStableFunc(ring, func(a, b point) int { return cmp.Compare(a.hash, b.hash) })
	return ring
}

func (p *placement) give(q, w int) {
	p.next[q] = w
	p.load[w] += p.partitions[q].Load()
}

func (p *placement) take(q int) {
	p.load[p.next[q]] -= p.partitions[q].Load()
	p.next[q] = None
}

// keep leaves everything where it is.
func (p *placement) keep() {
	for q, w := range p.previous {
		if w != None {
			p.give(q, w)
		}
	}
}

// shed takes from who has more than its bound. What the ring would give to another worker anyway goes first.
func (p *placement) shed() {
	for _, strangers := range []bool{true, false} {
		for i := len(p.order) - 1; i >= 0; i-- {
			q := p.order[i]
			w := p.next[q]
			if w == None || p.load[w] <= p.most[w] {
				continue
			}
			if strangers && p.first(q) == w {
				continue
			}
			p.take(q)
		}
	}
}

// first is the worker that the ring names for a partition.
func (p *placement) first(q int) int { return p.ring[p.at(p.hashes[q])].worker }

// at is the first point of the ring at or after a hash.
func (p *placement) at(hash uint64) int {
	i := sort.Search(len(p.ring), func(i int) bool { return p.ring[i].hash >= hash })
	return i % len(p.ring)
}

// place gives every orphan to the first worker on the ring that has room for it; if none has, to the one that has the
// least in relation to its capacity. Heavy ones first, so that the light ones fit into what is left.
func (p *placement) place() {
	var orphans []int
	for _, q := range p.order {
		if p.next[q] == None {
			orphans = append(orphans, q)
		}
	}
	slices.SortStableFunc(orphans, func(a, b int) int {
		return cmp.Compare(p.partitions[b].Load(), p.partitions[a].Load())
	})
	var left, need, unit int64
	for _, q := range orphans {
		left += p.partitions[q].Load()
		unit = max(unit, p.partitions[q].Load())
	}
	// What a worker lacks, in whole partitions.
	lacks := func(w int) int64 { return (max(0, p.least[w]-p.load[w]) + unit - 1) / max(unit, 1) * unit }
	for w := range p.workers {
		need += lacks(w)
	}
	for _, q := range orphans {
		// Orphans that are all needed below the lower bounds go there: each that does not has to be moved later.
		w := p.fitting(q, left <= need)
		left -= p.partitions[q].Load()
		need -= lacks(w)
		p.give(q, w)
		need += lacks(w)
	}
}

// fitting is the first worker on the ring that has room, and, if needy, lacks something.
func (p *placement) fitting(q int, needy bool) int {
	load := p.partitions[q].Load()
	start := p.at(p.hashes[q])
	tried := 0
	for i := range p.ring {
		w := p.ring[(start+i)%len(p.ring)].worker
		if p.load[w]+load <= p.most[w] && (!needy || p.load[w] < p.least[w]) {
			return w
		}
		if tried++; tried > 8*len(p.workers) {
			break
		}
	}
	return p.emptiest()
}

func (p *placement) emptiest() int {
	best := None
	for _, w := range sorted(p.workers) {
		if best == None || p.fullness(w) < p.fullness(best) {
			best = w
		}
	}
	return best
}

func (p *placement) fullness(w int) float64 { return float64(p.load[w]) / float64(p.workers[w].Room()) }

// fill brings every worker that is below its lower bound up to it, with partitions of the workers that are fullest.
// What the ring names the needy for goes first.
func (p *placement) fill() {
	for _, w := range sorted(p.workers) {
		if p.load[w] >= p.least[w] {
			continue
		}
		for _, named := range []bool{true, false} {
			for _, q := range p.order {
				if p.load[w] >= p.least[w] {
					break
				}
				if from := p.next[q]; from != w && (!named || p.first(q) == w) && p.mayGive(from, w, q) {
					p.take(q)
					p.give(q, w)
				}
			}
		}
	}
}

// mayGive: the move must leave the giver no worse off than the taker was.
func (p *placement) mayGive(from, to, q int) bool {
	load := p.partitions[q].Load()
	after := float64(p.load[from]-load) / float64(p.workers[from].Room())
	return p.load[from]-load >= p.least[from] && p.load[to]+load <= p.most[to] && after >= p.fullness(to)
}
