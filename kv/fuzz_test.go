// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parti-go/parti/internal/record"
)

// garbage is what nobody of the group wrote: cut short, of another program, of other types, far too large.
func garbage() []string {
	valid := `{"format":1,"token":"a/1/2","session":3,"applied":{"term":1,"version":2}}`
	return []string{
		``, ` `, `null`, `true`, `0`, `"format"`, `[]`, `{}`, `[{"format":1}]`, "\x00\xff\xfe", "\xef\xbb\xbf" + valid,
		valid[:1], valid[:12], valid[:len(valid)-1], valid + valid, valid + "\n\n", valid + "\x00",
		`{"name":"orders","replicas":3,"config":{"format":1}}`,
		`{"format":null}`, `{"format":true}`, `{"format":"1"}`, `{"format":1.0}`, `{"format":1e0}`, `{"format":-1}`, `{"format":0}`,
		`{"format":2}`, `{"format":2,"parts":9000000000000000000,"sum":"0"}`, `{"format":2,"packed":"AAAA","sum":"0"}`, `{"format":2,"parts":-1}`,
		`{"format":2,"packed":7}`, `{"format":2,"packed":"not base64!"}`, `{"format":18446744073709551616}`, `{"format":1,"format":2}`, `{"FORMAT":1}`,
		`{"format":1,"token":7}`, `{"format":1,"token":null}`, `{"format":1,"token":{"a":[]}}`,
		`{"format":1,"session":-1}`, `{"format":1,"session":"3"}`, `{"format":1,"session":1.5}`, `{"format":1,"session":1e30}`,
		`{"format":1,"since":"yesterday"}`, `{"format":1,"since":3}`, `{"format":1,"since":"9999-12-31T23:59:60Z"}`,
		`{"format":1,"applied":[]}`, `{"format":1,"labels":["a"]}`, `{"format":1,"labels":{"a":1}}`,
		`{"format":1,"members":"worker-1"}`, `{"format":1,"members":[1]}`, `{"format":1,"partitions":1e9}`,
		`{"format":1,"phase":"asleep","lifecycle":"stable"}`, `{"format":1,"phase":"idle","lifecycle":"old"}`,
		`{"format":1,"owned":{}}`, `{"format":1,"owned":[null]}`, `{"format":1,"owned":[{"partition":"p","weight":1,"epoch":2}]}`,
		`{"format":1,"owned":[{"partition":"p","epoch":9223372036854775808}]}`, `{"format":1,"releasing":[[]]}`,
	}
}

// oversized is garbage as well, but for the fuzzer, which would only make it shorter, too long to begin with.
func oversized() []string {
	return []string{
		`{"format":1,"labels":` + strings.Repeat(`{"a":`, 20_000) + strings.Repeat(`}`, 20_000) + `}`,
		`{"format":1,"members":[` + strings.Repeat(`"worker-1",`, 20_000) + `"worker-2"]}`,
		`{"format":1,"host":"` + strings.Repeat(`h`, 1<<20) + `"}`,
		strings.Repeat("[", 1<<20), strings.Repeat("\x00", 1<<20),
	}
}

// kind is a kind of record: how it is read, and a record that has every field.
type kind struct {
	name   string
	full   any
	decode func([]byte) (any, error)
}

func kinds() []kind {
	since := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	heartbeat := record.Heartbeat{Session: 7, Applied: record.Position{Term: 2, Version: 3}, Leaving: true, Capacity: 5, Labels: map[string]string{"a": "b"}}
	plan := record.Plan{Term: 4, Version: 5, Phase: record.PhaseScaling, Lifecycle: record.ColdStart, Members: []string{"a"}, Partitions: 6, Digest: "d"}
	assignment := record.Assignment{
		Worker: "w", Session: 1, Term: 2, Version: 3,
		Owned: []record.Owned{{Partition: "p", Weight: 100, Epoch: 3}}, Releasing: []record.Releasing{{Partition: "q", Weight: 1, Epoch: 2, Since: 3}},
	}
	return []kind{
		{"claim", record.Claim{Session: 7, Host: "h", Process: 9, Since: since}, func(b []byte) (any, error) { return record.DecodeClaim(b) }},
		{"leader", record.Leader{Worker: "worker-1", Session: 7, Since: since}, func(b []byte) (any, error) { return record.DecodeLeader(b) }},
		{"heartbeat", heartbeat, func(b []byte) (any, error) { return record.DecodeHeartbeat(b) }},
		{"term", record.Term{Number: 4, Worker: "worker-1", Session: 7}, func(b []byte) (any, error) { return record.DecodeTerm(b) }},
		{"plan", plan, func(b []byte) (any, error) { return record.DecodePlan(b) }},
		{"assignment", assignment, func(b []byte) (any, error) { return record.DecodeAssignment(b) }},
	}
}

func FuzzDecodingNeverPanicsAndHasTwoErrors(f *testing.F) {
	for _, g := range garbage() {
		f.Add([]byte(g))
	}
	f.Fuzz(decodes)
}

func TestOversizedGarbageIsDecodedOrRefused(t *testing.T) {
	for _, g := range oversized() {
		decodes(t, []byte(g))
	}
}

// decodes fails the test unless each decoder refuses the value with one of two errors, or reads a record that survives.
func decodes(t *testing.T, b []byte) {
	_ = tokenOf(b)
	if p, ok := record.PieceOf(b); ok {
		if value, err := p.Unpack(func(int) []byte { return p.Packed }); err == nil && len(value) == 0 {
			t.Fatalf("%.200q is unpacked to nothing", b)
		}
	}
	for _, k := range kinds() {
		rec, err := k.decode(b)
		switch {
		case err == nil:
			survives(t, k, rec)
		case !errors.Is(err, ErrFormat) && !errors.Is(err, ErrCorrupt):
			t.Fatalf("%s of %.200q: %v", k.name, b, err)
		case !strings.Contains(err.Error(), k.name):
			t.Fatalf("%s of %.200q: the error does not say what it is about: %v", k.name, b, err)
		case !reflect.ValueOf(rec).IsZero():
			t.Fatalf("%s of %.200q: an error, and still a record: %+v", k.name, b, rec)
		}
	}
}

func FuzzWhatIsWrittenIsReadAgain(f *testing.F) {
	f.Add("worker-0", "topic.0001", uint64(1), int64(1), int64(100), false)
	f.Add("", "", uint64(0), int64(0), int64(0), true)
	f.Add("a\"b\\c\u2028<&>", "päß", ^uint64(0), int64(-1), int64(1)<<62, true)
	f.Fuzz(func(t *testing.T, worker, partition string, session uint64, version, weight int64, leaving bool) {
		worker, partition = strings.ToValidUTF8(worker, "?"), strings.ToValidUTF8(partition, "?")
		at := time.Unix(weight%(200*365*24*3600), version%1e9).UTC() // within the years that RFC 3339 can say
		phases := []record.Phase{record.PhaseIdle, record.PhaseScaling, record.PhaseRebalancing, record.PhaseEmergency}
		lives := []record.Lifecycle{record.ColdStart, record.PostColdStart, record.Stable}
		records := []any{
			record.Claim{Session: session, Host: worker, Process: int(version), Since: at},
			record.Leader{Worker: worker, Session: session, Since: at},
			record.Heartbeat{
				Session: session, Applied: record.Position{Term: session, Version: version}, Leaving: leaving, Capacity: max(weight, 0),
				Labels: map[string]string{worker: partition},
			},
			record.Term{Number: session, Worker: worker, Session: session},
			record.Plan{
				Term: session, Version: version, Phase: phases[session%4], Lifecycle: lives[session%3],
				Members: []string{worker, partition}, Partitions: int(weight), Digest: partition,
			},
			record.Assignment{
				Worker: worker, Session: session, Term: session, Version: version,
				Owned:     []record.Owned{{Partition: partition, Weight: weight, Epoch: version}, {Partition: worker, Weight: version, Epoch: weight}},
				Releasing: []record.Releasing{{Partition: partition, Weight: weight, Epoch: version, Since: weight}},
			},
		}
		for i, k := range kinds() {
			survives(t, k, records[i])
		}
	})
}

// survives fails the test unless the record is read as it was written, by this release and, when a later one adds
// fields to it, still.
func survives(t *testing.T, k kind, rec any) {
	t.Helper()
	const of record.Token = "holder/1/2"
	value, err := encode(of, rec)
	if err != nil {
		t.Fatalf("encode %+v: %v", rec, err)
	}
	later := append(bytes.TrimSuffix(bytes.Clone(value), []byte("}")), `,"added":{"by":["a","later","release"]},"since_version":null}`...)
	for _, v := range [][]byte{value, later} {
		if !json.Valid(v) || tokenOf(v) != of {
			t.Fatalf("%s: no JSON, or not with its token: %.300s", k.name, v)
		}
		got, err := k.decode(v)
		if err != nil {
			t.Fatalf("%s: decode %.300s: %v", k.name, v, err)
		}
		again, err := encode(of, got)
		if err != nil || !bytes.Equal(again, value) {
			t.Fatalf("%s: written %.300s, read as %.300s (%v)", k.name, value, again, err)
		}
	}
}

func TestARecordMayGainFieldsAtEveryDepth(t *testing.T) {
	for _, k := range kinds() {
		value, err := encode("holder/1/2", k.full)
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(value, &tree); err != nil {
			t.Fatal(err)
		}
		later, err := json.Marshal(grown(tree, "labels"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.decode(later)
		if err != nil || !reflect.DeepEqual(got, k.full) {
			t.Errorf("%s: %s is read as %+v (%v)", k.name, later, got, err)
		}
	}
}

// grown adds a field to each object of a tree, but for the one of that name, whose fields are the user's.
func grown(tree any, but string) any {
	switch node := tree.(type) {
	case []any:
		for i := range node {
			node[i] = grown(node[i], but)
		}
	case map[string]any:
		for name := range node {
			if name != but {
				node[name] = grown(node[name], but)
			}
		}
		node["added_later"] = []any{1.5, nil, map[string]any{"deep": true}}
	}
	return tree
}
