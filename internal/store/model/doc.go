// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package model is the store in memory: four buckets that do to their clients what those of a real server do. It is a value
// for simulations. It has no goroutine and reads no clock; the caller says what time it is.
//
// # How it is driven
//
// A request ([Store.Write], [Store.Batch], [Store.Get], [Store.List], [Store.Info], [Store.Follow]) returns an ID at once.
// What comes of it is an [Event] with a time and that ID. [Store.Next] says when something happens next, and
// [Store.Advance] lets everything happen that is due. So a simulation that keeps one agenda of its own puts one alarm for
// the model into it. Every request is answered exactly once, at its deadline at the latest. Times never go back.
//
// # What may happen
//
// Wherever a real server or a real network may do more than one thing, the model asks its [Source]. The first of the
// possible things, number zero, is the benign one: [Benign] makes a store that answers everything at once, and in order.
// The same requests at the same times with the same answers of the source give the same events, byte for byte.
//
// What the model may do is what the conformance suite (package storetest) allows, and the same suite runs against the
// real server. So the model is never kinder than NATS, and never does what NATS does not.
//
// # What it is a model of
//
// The buckets are streams that keep one message of each key, as package kv makes them:
//
//   - A write is conditional: on the revision of its key, or of another key of its bucket (a fence). The outcome is one of
//     five, see [Outcome].
//   - A value may expire. The marker of that is a message of its own, which comes late and never early. A renewal that
//     arrives when the lifetime is over may be stored and overwritten by the marker.
//   - With replicas, a write is stored a moment after it was checked. While it is under way, others that depend on the same
//     key are busy. Listings come from any replica, which may lag. The leader may change, and then for a while nobody answers.
//   - A write that nobody answered may be stored now, later, or never.
//   - A batch is stored whole or not at all.
//   - A feed tells messages in the order of their revisions. It leaves out what was overwritten before it could be told. It
//     may miss messages, and it may end; its follower learns of that later.
//
// # What it leaves out
//
// Values are what the caller says they are: the model neither encodes nor checks them. It knows no sizes, no
// permissions and no full disk. A value without a lifetime stays for good. Only purges mark deletions (the other kind of
// marker would be followed by a second one when it expires, which is why package kv does not use it).
package model
