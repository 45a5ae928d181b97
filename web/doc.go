// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package web serves a worker and its group over HTTP: probes, JSON, a stream of events, and a page that shows all of it live.
//
// [Handler] returns one http.Handler for all of this. You can mount it under any prefix, because all its URLs are relative:
//
//	mux.Handle("/parti/", http.StripPrefix("/parti", web.Handler(web.Options{Manager: worker, Observer: observer})))
//
// Every client that reaches the handler may read everything. The handler refuses requests that change something, unless
// [Options.Allow] allows them. So protect the handler like the rest of your service, and set Allow if you want buttons.
//
// One goroutine follows the group while at least one client streams. It computes and encodes each change once for all
// clients. The handler disconnects a client that cannot keep up; the client reconnects and begins with the whole group.
package web
