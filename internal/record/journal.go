package record

import "time"

// Journal says why a version of the plan was written, and who got or lost what by it. It is for people: no rule reads it.
type Journal struct {
	Term        uint64      `json:"term"`
	Version     int64       `json:"version"`
	At          time.Time   `json:"at"` // by the clock of the leader
	By          string      `json:"by"` // the leader
	Why         string      `json:"why"`
	Certificate Certificate `json:"certificate"`
	Changes     []Change    `json:"changes,omitempty"`
	// Left is how many more changes there were. They are left out because the store takes no longer entry.
	Left int `json:"left,omitempty"`
}

// Change is what a version does to one partition. A revoke has a From and no To: From has to let go. A grant has a To, and
// as From whoever had the partition before, where the leader knows that.
type Change struct {
	Partition string `json:"partition"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	// Epoch is that of the grant; of a revoke, that of what ends.
	Epoch int64 `json:"epoch"`
}
