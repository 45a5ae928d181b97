// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/parti-go/parti/observe"
)

const (
	historyLimit = 500
	historyMost  = 10_000
	// historyPatience limits the time for the store.
	historyPatience = 15 * time.Second
)

func (h *handler) group(w http.ResponseWriter, r *http.Request) {
	s := h.feed.newest()
	send(w, r, http.StatusOK, s.plain(), s.packed)
}

// history answers with the changes in the journal. ?partition= and ?worker= select them, ?since= and ?limit= limit them.
func (h *handler) history(w http.ResponseWriter, r *http.Request) {
	q, err := queryOf(r.URL.Query(), time.Now())
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, "%s", err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), historyPatience)
	defer cancel()
	changes, err := h.view.History(ctx, q)
	if err != nil {
		h.refuse(w, r, http.StatusBadGateway, "%s", err)
		return
	}
	h.answer(w, r, http.StatusOK, map[string]any{"changes": changesOf(changes)})
}

func queryOf(values url.Values, now time.Time) (observe.Query, error) {
	q := observe.Query{Partition: values.Get("partition"), Worker: values.Get("worker"), Limit: historyLimit}
	if text := values.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > historyMost {
			return q, fmt.Errorf("limit is %.40q, allowed: 1 to %d", text, historyMost)
		}
		q.Limit = n
	}
	if text := values.Get("since"); text != "" {
		since, ok := sinceOf(text, now)
		if !ok {
			return q, fmt.Errorf("since is %.40q, allowed: milliseconds since 1970, a time like %s, or how long ago, like 90m",
				text, time.RFC3339)
		}
		q.Since = since
	}
	return q, nil
}

func sinceOf(text string, now time.Time) (time.Time, bool) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms), ms >= 0
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), ago >= 0
	}
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil
}

// ownerWords is an [observe.Owner] in JSON.
type ownerWords struct {
	Partition string `json:"partition"`
	Worker    string `json:"worker"`
	Host      string `json:"host"`
	Session   uint64 `json:"session"`
	Epoch     int64  `json:"epoch"`
	Since     int64  `json:"since"`
	Releasing bool   `json:"releasing"`
}

func (h *handler) owner(w http.ResponseWriter, r *http.Request) {
	partition := r.URL.Query().Get("partition")
	if partition == "" {
		h.refuse(w, r, http.StatusBadRequest, "partition is missing, allowed: the ID of a partition, as in owner.json?partition=orders.17")
		return
	}
	o, err := h.view.Owner(partition)
	switch {
	case errors.Is(err, observe.ErrUnowned):
		h.refuse(w, r, http.StatusNotFound, "nobody owns %.200q: it is on its way to another worker, or not listed", partition)
	case err != nil:
		h.refuse(w, r, http.StatusBadGateway, "%s", err)
	default:
		h.answer(w, r, http.StatusOK, ownerWords{
			Partition: partition, Worker: o.Worker, Host: o.Host, Session: o.Session, Epoch: o.Epoch,
			Since: milliseconds(o.Since), Releasing: o.Releasing,
		})
	}
}
