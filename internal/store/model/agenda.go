package model

// task is what is to happen inside the model at a time.
type task struct {
	at   int64 // nanoseconds since the start
	n    uint64
	what action
	ref  int32 // of the request, the feed or the entry
	gen  uint32
	b    int8 // bucket
}

type action int8

const (
	arrives  action = iota // a request, at the server
	commits                // the first write that waits in a bucket
	answers                // a request, at its client
	gives                  // up: a request at its deadline
	expires                // an entry
	delivers               // a feed
	catches                // a feed, up with what it was not sent
	notices                // a follower that its feed has ended
)

// agenda is a heap of tasks. Those of one time come in the order in which they were put in.
type agenda struct {
	tasks []task
	n     uint64
}

func (a *agenda) less(i, j int) bool {
	x, y := &a.tasks[i], &a.tasks[j]
	return x.at < y.at || x.at == y.at && x.n < y.n
}

func (a *agenda) push(t task) {
	a.n++
	t.n = a.n
	a.tasks = append(a.tasks, t)
	for i := len(a.tasks) - 1; i > 0; {
		parent := (i - 1) / 2
		if !a.less(i, parent) {
			break
		}
		a.tasks[i], a.tasks[parent] = a.tasks[parent], a.tasks[i]
		i = parent
	}
}

func (a *agenda) pop() task {
	first := a.tasks[0]
	last := len(a.tasks) - 1
	a.tasks[0] = a.tasks[last]
	a.tasks = a.tasks[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && a.less(child+1, child) {
			child++
		}
		if !a.less(child, i) {
			break
		}
		a.tasks[i], a.tasks[child] = a.tasks[child], a.tasks[i]
		i = child
	}
	return first
}
