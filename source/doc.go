// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package source provides partition sources that read a list kept elsewhere: a number, a key-value bucket, a file, a table,
// the subjects of a stream.
//
//	Numbered  the number of partitions is a constant of the application
//	KV        people or programs add and remove partitions one by one, several at once
//	File      the list is a part of the deployment: a file, a ConfigMap
//	SQL       the list is in a database that the application has anyway
//	Subjects  whoever publishes to a stream makes the partitions
//
// All except Numbered report when their list has changed, so the leader lists it again about a second later. Versioned
// gives any of them a version, for deployments that change the list.
//
// The constructors check nothing. ListPartitions and Watch return an error for a bad argument. It wraps
// parti.ErrNilArgument or parti.ErrInvalidConfig, and a worker with such a source does not start. An error for a bad list
// wraps parti.ErrNoPartitions, ErrInvalidKey, ErrInvalidWeight or ErrDuplicateID and names the place. A running group loses
// no partition because of such a list.
//
// A partition's ID is its keys with dots between them, as in parti.Partition. A missing weight is the default of 100.
package source
