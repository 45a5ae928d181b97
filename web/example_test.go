// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"log"
	"net/http"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/web"
)

// A service shows its worker and the group below /parti/. Its operators may have workers drained.
func ExampleHandler() {
	serve := func(worker *parti.Manager, observer *observe.Observer, operator func(*http.Request) bool) error {
		mux := http.NewServeMux()
		mux.Handle("/parti/", http.StripPrefix("/parti", web.Handler(web.Options{
			Manager:  worker,
			Observer: observer,
			Allow: func(r *http.Request, a web.Action) bool {
				log.Printf("%s wants to %s", r.RemoteAddr, a)
				return operator(r)
			},
		})))
		server := &http.Server{Addr: ":8080", Handler: mux}
		server.RegisterOnShutdown(func() { _ = observer.Close() }) // ends the streams, which Shutdown waits for
		return server.ListenAndServe()
	}
	_ = serve
}
