// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"

	"github.com/parti-go/parti"
)

// Versioned gives a source a version. Raise the version with each deploy that changes the list, see [parti.VersionedSource].
// If the source reports its changes, the versioned one does too. Version 0 means no version.
func Versioned(version uint64, s parti.PartitionSource) parti.VersionedSource {
	if w, watched := s.(parti.WatchedSource); watched {
		return watchedVersion{versioned{version, s}, w}
	}
	return versioned{version, s}
}

// versioned is a source with a version.
type versioned struct {
	version uint64
	source  parti.PartitionSource
}

// SourceVersion implements parti.VersionedSource.
func (v versioned) SourceVersion() uint64 { return v.version }

// ListPartitions implements parti.PartitionSource.
func (v versioned) ListPartitions(ctx context.Context) ([]parti.Partition, error) {
	if v.source == nil {
		return nil, missing("Versioned", "s", "a PartitionSource")
	}
	return v.source.ListPartitions(ctx)
}

// watchedVersion is a source with a version that can be watched.
type watchedVersion struct {
	versioned
	watched parti.WatchedSource
}

// Watch implements parti.WatchedSource.
func (v watchedVersion) Watch(ctx context.Context, changed func()) error {
	return v.watched.Watch(ctx, changed)
}
