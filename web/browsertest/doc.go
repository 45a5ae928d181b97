// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package browsertest opens the page of package web in a real browser: does it show what is so, does it follow, is it quick,
// can it be used without a mouse, and does it keep to itself?
//
// Most tests drive a [Fake], which speaks the page's formats for groups of any size; others a real fleet behind web.Handler.
// They are skipped where there is no browser.
package browsertest
