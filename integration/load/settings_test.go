// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASettingOutOfRangeIsNamedWithWhatIsAllowed(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-workers", "4"}, "workers is 4, allowed: 5 to 10000"},
		{[]string{"-partitions", "0"}, "partitions is 0, allowed: 1 to 10000000"},
		{[]string{"-workers", "9", "-procs", "10"}, "procs is 10, allowed: 2 (one process to compare the leader's with) to the number of workers, 9"},
		{[]string{"-procs", "1"}, "procs is 1, allowed: 2"},
		{[]string{"-ramp", "-1s"}, "ramp is -1s, allowed: 0 or more"},
		{[]string{"-idle", "0s"}, "idle is 0s, allowed: more than 0"},
		{[]string{"-timeout", "1m"}, "timeout is 1m0s, allowed: more than ramp, idle and three times watch (1m30s)"},
		{[]string{"fast"}, `unknown argument "fast", allowed: flags only`},
	} {
		_, err := parse(c.args, io.Discard)
		require.ErrorIs(t, err, errSettings)
		require.ErrorContains(t, err, c.says)
	}
}

func TestThereAreIDsForAllWorkersWhateverTheConfigurationSays(t *testing.T) {
	set, err := parse([]string{"-workers", "1000"}, io.Discard)
	require.NoError(t, err)
	require.GreaterOrEqual(t, set.config.WorkerIDMax-set.config.WorkerIDMin+1, 1000)
}
