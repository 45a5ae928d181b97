// Package web serves a worker and its group over HTTP: probes, JSON, a stream of events, and a page that shows all of it live.
//
// [Handler] makes one http.Handler of it. It belongs under any prefix, because all its URLs are relative:
//
//	mux.Handle("/parti/", http.StripPrefix("/parti", web.Handler(web.Options{Manager: worker, Observer: observer})))
//
// Everything that is read is free to whoever reaches the handler. What changes something is refused unless [Options.Allow] says
// yes. So put the handler behind what the rest of the service is behind, and write an Allow where buttons are wanted.
//
// One goroutine follows the group while anybody streams, and none where nobody does. A change is worked out and encoded once,
// however many read it. A reader that cannot keep up is sent away: it comes back and begins with the whole group.
package web
