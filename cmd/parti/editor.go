// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// editor edits one bucket.
type editor struct {
	js     jetstream.JetStream
	bucket string
	under  string
	group  parti.Config // whose buckets are not for editing
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
				return result{}, fmt.Errorf("it is not known whether this was stored; run the same command again to find out: %w", context.Cause(ctx))
			}
			return result{}, fmt.Errorf("nothing was stored: %w", context.Cause(ctx))
		}
	}
}

// What has become of an attempt that did not succeed.
var (
	errConflict = errors.New("somebody else has changed the list meanwhile")
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
	if prefix := apiPrefix(ed.js); prefix != jetstream.DefaultAPIPrefix { // else another domain may store it, or nobody
		m.Subject = prefix + subject
	}
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
