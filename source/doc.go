// Package source has lists of partitions that others keep: a number, a key-value bucket, a file, a table, the subjects of a
// stream.
//
//	Numbered  the number of partitions is a constant of the application
//	KV        people or programs add and remove partitions one by one, several at once
//	File      the list is a part of the deployment: a file, a ConfigMap
//	SQL       the list is in a database that the application has anyway
//	Subjects  whoever publishes to a stream makes the partitions
//
// All but Numbered say when their list has changed, so that the leader lists it again about a second later. Versioned gives
// any of them a version, for deployments that change the list.
//
// The constructors check nothing. What is wrong with an argument is the error of ListPartitions and of Watch: it wraps
// parti.ErrNilArgument or parti.ErrInvalidConfig, and a worker with such a source does not start. What is wrong with the list
// wraps parti.ErrNoPartitions, ErrInvalidKey, ErrInvalidWeight or ErrDuplicateID and names the place. Such a list takes
// nothing away from a group that runs.
//
// A partition's ID is its keys with dots between them, as in parti.Partition. A weight that is not given is the default of 100.
package source
