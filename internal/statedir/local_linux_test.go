// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNetworkFileSystemsAreRefused(t *testing.T) {
	for magic, name := range map[uint32]string{0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x01021997: "9p", 0x65735546: "fuse", 0x00c36400: "ceph", 0x0bd00bd0: "lustre"} {
		require.ErrorContains(t, refuse(magic), name)
	}
	for _, magic := range []uint32{0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630} { // ext4, xfs, btrfs, tmpfs, overlay
		require.NoError(t, refuse(magic))
	}
	require.NoError(t, local(t.TempDir()))
}
