package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/strategy"
)

// An edit changes the keys of a bucket that is a source of partitions, one by one. Each write is conditional on what was read,
// so several editors at once do not undo each other's work, and a write whose answer is lost is found out about by reading.

// edit is a change of one key.
type edit struct {
	id     string
	weight string // "" for the default
}

// result is what has become of an edit.
type result struct {
	Partition string `json:"partition"`
	Result    string `json:"result"` // added, removed, weighed, unchanged
	Was       string `json:"was,omitempty"`
	Weight    string `json:"weight,omitempty"`
}

// entry is what is stored under a key.
type entry struct {
	there    bool
	value    string
	revision uint64 // of the marker, where a key has been deleted
}

// verb says what an edit makes of what is there: what to store, or nothing where it is as wanted.
type verb struct {
	done   string
	decide func(e edit, is entry) (m *nats.Msg, err error)
}

var (
	adding = verb{"added", func(e edit, is entry) (*nats.Msg, error) {
		switch {
		case !is.there:
			return message(e.weight), nil
		case is.value == e.weight:
			return nil, nil
		}
		return nil, fmt.Errorf("it is there already, with %s; parti partitions weigh changes that", weightOf(is.value))
	}}
	removing = verb{"removed", func(_ edit, is entry) (*nats.Msg, error) {
		if !is.there {
			return nil, nil
		}
		m := message("")
		m.Header.Set("KV-Operation", "DEL")
		return m, nil
	}}
	weighing = verb{"weighed", func(e edit, is entry) (*nats.Msg, error) {
		switch {
		case !is.there:
			return nil, errors.New("it is not there; parti partitions add adds it")
		case is.value == e.weight:
			return nil, nil
		}
		return message(e.weight), nil
	}}
)

func message(value string) *nats.Msg { return &nats.Msg{Header: nats.Header{}, Data: []byte(value)} }

func weightOf(value string) string {
	if value == "" {
		return "the default weight"
	}
	return "weight " + value
}

// editor edits one bucket.
type editor struct {
	js     jetstream.JetStream
	bucket string
	under  string
}

// editing adds the commands that edit a bucket of partitions.
func (a *app) editing(parent *fisk.CmdClause) {
	for _, c := range []struct {
		name, help, arg string
		weights         bool
		verb            verb
	}{
		{"add", "Add partitions to the bucket that source.KV lists", "ID, or ID=WEIGHT", true, adding},
		{"remove", "Remove partitions from the bucket that source.KV lists", "ID", false, removing},
		{"weigh", "Change weights in the bucket that source.KV lists", "ID=WEIGHT; ID= for the default", true, weighing},
	} {
		var names []string
		var ed editor
		cmd := parent.Command(c.name, c.help)
		cmd.Arg("partitions", c.arg).Required().StringsVar(&names)
		cmd.Flag("bucket", "The bucket").Required().PlaceHolder("BUCKET").StringVar(&ed.bucket)
		cmd.Flag("under", "What the keys begin with, as in source.Under").PlaceHolder("PREFIX").StringVar(&ed.under)
		a.do(cmd, func(ctx context.Context) error {
			edits, err := parseEdits(names, c.weights, c.name == "weigh")
			if err == nil {
				err = ed.check()
			}
			if err != nil {
				return exit{exitUsage, err}
			}
			return a.edit(ctx, ed, edits, c.verb)
		})
	}
}

func (a *app) edit(ctx context.Context, ed editor, edits []edit, v verb) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	js, err := a.connection.jetStream(ctx)
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	ed.js = js
	if _, err := js.KeyValue(ctx, ed.bucket); err != nil {
		return fmt.Errorf("bucket %q: %w", ed.bucket, err)
	}
	results := make([]result, 0, len(edits))
	t := newTable("PARTITION", "RESULT", "WAS", "WEIGHT")
	var failed error
	for _, e := range edits {
		r, err := ed.apply(ctx, e, v)
		if err != nil {
			failed = fmt.Errorf("%s: %w (%d of %d partitions are done)", e.id, err, len(results), len(edits))
			break
		}
		results = append(results, r)
		t.add(r.Partition, r.Result, r.Was, r.Weight)
	}
	return errors.Join(a.show(results, t), failed)
}

// parseEdits reads the arguments; all are checked before anything is stored.
func parseEdits(names []string, weights, needed bool) (edits []edit, err error) {
	var partitions []strategy.Partition
	for _, name := range names {
		e := edit{id: name}
		at := strings.LastIndex(name, "=")
		switch {
		case at >= 0 && weights:
			e.id, e.weight = name[:at], name[at+1:]
		case needed:
			return nil, fmt.Errorf("%q has no weight, allowed: ID=WEIGHT, or ID= for the default", name)
		}
		if n, err := strconv.ParseInt(e.weight, 10, 64); e.weight != "" && (err != nil || n < 1 || n > strategy.MaxWeight) {
			return nil, fmt.Errorf("%w: the weight of %q is %q, allowed: none (the default of 100), or 1 to %d",
				strategy.ErrInvalidWeight, e.id, e.weight, int64(strategy.MaxWeight))
		}
		if strings.ContainsFunc(e.id, notInKey) {
			return nil, fmt.Errorf("%w: %q, allowed in a bucket: dots, and a-z, A-Z, 0-9, -, _, /, =", strategy.ErrInvalidKey, e.id)
		}
		edits = append(edits, e)
		partitions = append(partitions, strategy.Partition{Keys: strings.Split(e.id, ".")})
	}
	return edits, strategy.ValidatePartitions(partitions)
}

func notInKey(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_/=.", r)
}

// check refuses the buckets that workers coordinate in: whoever writes there by hand breaks the group.
func (ed editor) check() error {
	for _, kind := range []string{"stableid", "election", "heartbeat", "assignment"} {
		if strings.HasPrefix(ed.bucket, bucketPrefix) && strings.HasSuffix(ed.bucket, kind) {
			return fmt.Errorf("--bucket %s is one that workers coordinate in, allowed: the bucket that source.KV lists", ed.bucket)
		}
	}
	if ed.under != "" && (strings.ContainsFunc(ed.under, notInKey) || strings.Contains("."+ed.under+".", "..")) {
		return fmt.Errorf("--under is %q, allowed: keys with dots between them", ed.under)
	}
	return nil
}

func (ed editor) subject(id string) string {
	if ed.under != "" {
		id = ed.under + "." + id
	}
	return "$KV." + ed.bucket + "." + id
}

const (
	// attemptEvery is the pause before an edit is tried again.
	attemptEvery = 50 * time.Millisecond
	// attemptMost is how long the answer to one attempt is waited for: it may be lost.
	attemptMost = time.Second
	// codeBusy: another write of that key is under way, on a replicated bucket.
	codeBusy jetstream.ErrorCode = 10164
)

// apply makes one edit. It reads, decides, and writes on condition that nobody has written meanwhile, until that succeeds.
func (ed editor) apply(ctx context.Context, e edit, v verb) (result, error) {
	subject, lost := ed.subject(e.id), false
	for {
		r, err := ed.attempt(ctx, subject, e, v)
		switch {
		case err == nil && r.Result == unchanged && lost: // what the write has done whose answer was lost
			r.Result = v.done
			return r, nil
		case err == nil:
			return r, nil
		case errors.Is(err, errConflict):
		case errors.Is(err, errUnknown):
			lost = true
		default:
			return result{}, err
		}
		if denied := ed.js.Conn().LastError(); errors.Is(denied, nats.ErrPermissionViolation) {
			return result{}, denied
		}
		select {
		case <-time.After(attemptEvery):
		case <-ctx.Done():
			if lost {
				return result{}, fmt.Errorf("it is not known whether this was stored; the same command again finds out: %w", context.Cause(ctx))
			}
			return result{}, fmt.Errorf("nothing was stored: %w", context.Cause(ctx))
		}
	}
}

// What has become of an attempt that did not succeed.
var (
	errConflict = errors.New("another editor was faster")
	errUnknown  = errors.New("not known whether it was stored")
)

const unchanged = "unchanged"

func (ed editor) attempt(ctx context.Context, subject string, e edit, v verb) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptMost)
	defer cancel()
	is, err := ed.read(ctx, subject)
	if err != nil {
		return result{}, fmt.Errorf("%w: read: %w", errConflict, err) // nothing was written
	}
	m, err := v.decide(e, is)
	if err != nil {
		return result{}, err
	}
	if m == nil {
		return result{Partition: e.id, Result: unchanged, Weight: is.value}, nil
	}
	m.Subject = subject
	_, err = ed.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(is.revision), jetstream.WithRetryAttempts(0))
	var api *jetstream.APIError
	switch {
	case err == nil:
		return result{e.id, v.done, is.value, e.weight}, nil
	case errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == codeBusy):
		return result{}, errConflict
	case api != nil:
		return result{}, fmt.Errorf("nothing was stored: %w", err)
	}
	return result{}, fmt.Errorf("%w: %w", errUnknown, err)
}

// read asks the leader of the stream, which knows the newest; a replica may not.
func (ed editor) read(ctx context.Context, subject string) (entry, error) {
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Sequence uint64 `json:"seq"`
			Header   []byte `json:"hdrs"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	request, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return entry{}, err
	}
	reply, err := ed.js.Conn().RequestWithContext(ctx, apiPrefix(ed.js)+"STREAM.MSG.GET.KV_"+ed.bucket, request)
	if err == nil {
		err = json.Unmarshal(reply.Data, &answer)
	}
	switch {
	case err != nil:
		return entry{}, err
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return entry{}, nil
	case answer.Error != nil:
		return entry{}, answer.Error
	}
	e := entry{there: true, value: strings.TrimSpace(string(answer.Message.Data)), revision: answer.Message.Sequence}
	if len(answer.Message.Header) > 0 {
		header, err := nats.DecodeHeadersMsg(answer.Message.Header)
		if err != nil {
			return entry{}, err
		}
		if header.Get("KV-Operation") != "" || header.Get(jetstream.MarkerReasonHeader) != "" {
			e.there, e.value = false, ""
		}
	}
	return e, nil
}

// apiPrefix is what the subjects of JetStream's API begin with.
func apiPrefix(js jetstream.JetStream) string {
	o := js.Options()
	switch {
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	}
	return jetstream.DefaultAPIPrefix
}
