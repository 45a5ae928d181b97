package observe

import (
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/record"
)

// Group is what was seen of a group at one moment. It does not change any more: treat its slices and maps as read-only.
type Group struct {
	// Name is that of the configuration; "" for a group without one. Bucket is that of its assignments, which no other group
	// on the same server has.
	Name, Bucket string
	// Workers are those that live or that records are left of, sorted by ID.
	Workers []Worker
	// Leader is the worker whose term is the newest; "" for none.
	Leader string
	Plan   Plan
	// Unowned is how many partitions of the plan no living worker has: what is on its way from one worker to the next
	// counts once its former owner has let go.
	Unowned int
	// Stale is since when this may be out of date, because the store does not answer; the zero time where it does.
	Stale time.Time

	seq   uint64
	model *model
}

// Plan is the newest plan of a group.
type Plan struct {
	Term       uint64
	Version    int64
	Phase      string
	Lifecycle  string
	Members    []string
	Partitions int
	// Stored is when the plan was stored, by the clock of the server.
	Stored      time.Time
	Certificate record.Certificate
	// Strategy describes the strategy of the leader that stored the plan, see [strategy.Describe]; "" where it is an earlier
	// release.
	Strategy string
}

// Worker is one worker of a group.
type Worker struct {
	ID      string
	Host    string
	Process int
	// Session is the newest session that was seen; 0 for none.
	Session uint64
	// State is where the records say that the worker stands: ClaimingID while its session has no heartbeat yet, from then on
	// where the phase of the plan has it, and Shutdown when its session is over. The worker itself may be a step ahead: only
	// its own Status is certain.
	State parti.State
	// Live says that the worker has a heartbeat.
	Live bool
	// Ended is when the heartbeat of a worker that is not live ended, by the clock of the server; zero where that was before
	// the observer looked. Clean says that the worker deleted it, as one that stops does.
	Ended    time.Time
	Clean    bool
	Leader   bool
	Leaving  bool // it drains or stops
	Cordoned bool // it takes nothing new
	Capacity int64
	Labels   map[string]string
	// Stuck is what the worker waits for past its deadline, a sentence for each.
	Stuck []string
	// Applied is the version that the worker has applied.
	Applied int64
	// Damped is until when the worker is given nothing because it failed again and again.
	Damped time.Time
	// Partitions are granted to the worker, or are being taken away, sorted by ID. They are the worker's only while it is
	// live in the session that they were granted to; see [Observer.Owner].
	Partitions []Partition
}

// Partition is what one worker has.
type Partition struct {
	ID     string
	Weight int64
	Epoch  int64
	// Since is when the partition was granted, by the clock of the server; zero where that was before the observer looked.
	Since time.Time
	// Releasing says that the worker has been asked to let go.
	Releasing bool
}

// Owner is who owns a partition.
type Owner struct {
	Worker  string
	Host    string
	Session uint64
	Epoch   int64
	// Since is when the partition was granted; zero where that was before the observer looked.
	Since time.Time
	// Releasing says that the owner has been asked to let go. It may have done so by now.
	Releasing bool
}
