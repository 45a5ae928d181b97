// The tests of the page in a real browser. They are a module of their own, so that the library does not depend on what drives
// one.
module github.com/parti-go/parti/web/browsertest

go 1.26.0

replace github.com/parti-go/parti => ../..

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/parti-go/parti v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/looplab/fsm v1.0.3 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
