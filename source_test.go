// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAListOfPartitionsIsChecked(t *testing.T) {
	broken := errors.New("database away")
	one := func(keys ...string) Partition { return Partition{Keys: keys} }
	for _, c := range []struct {
		name   string
		source PartitionSource
		want   error
		names  string
	}{
		{"good", StaticSource(one("eu", "1"), one("eu", "2"), Partition{Keys: []string{"us"}, Weight: 300}), nil, ""},
		{"empty", StaticSource(), ErrNoPartitions, "at least 1"},
		{"without keys", StaticSource(one("a"), one()), ErrNoKeys, "partitions[1]"},
		{"empty key", StaticSource(one("a", "")), ErrInvalidKey, "Keys[1]"},
		{"key with a dot", StaticSource(one("a.b")), ErrInvalidKey, `"a.b"`},
		{"key with a wildcard", StaticSource(one("*")), ErrInvalidKey, `"*"`},
		{"key with white space", StaticSource(one("a b")), ErrInvalidKey, `"a b"`},
		{"twice", StaticSource(one("a"), one("a")), ErrDuplicateID, `"a"`},
		{"negative weight", StaticSource(Partition{Keys: []string{"a"}, Weight: -1}), ErrInvalidWeight, "-1"},
		{"failing", SourceFunc(func(context.Context) ([]Partition, error) { return nil, broken }), broken, "away"},
		{"no function", SourceFunc(nil), ErrNilArgument, "SourceFunc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := listPartitions(t.Context(), c.source)
			if c.want == nil {
				require.NoError(t, err)
				assert.Len(t, list, 3)
				return
			}
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.names)
			assert.Nil(t, list)
		})
	}
}

func TestStaticSourceSharesNothing(t *testing.T) {
	given := []Partition{{Keys: []string{"a"}}, {Keys: []string{"b"}}}
	source := StaticSource(given...)
	given[0].Keys[0], given[1].Weight = "changed", 7
	first, err := source.ListPartitions(t.Context())
	require.NoError(t, err)
	first[0].Keys[0], first[1] = "changed", Partition{}
	second, err := source.ListPartitions(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Partition{{Keys: []string{"a"}}, {Keys: []string{"b"}}}, second)
}
