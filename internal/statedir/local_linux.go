// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// remote lists the file systems whose locks may outlive a process, may be lost while it lives, or are known to only one of
// several machines. A file system that is not listed counts as local.
var remote = map[uint32]string{
	unix.NFS_SUPER_MAGIC:   "nfs",
	unix.SMB_SUPER_MAGIC:   "smb",
	unix.SMB2_SUPER_MAGIC:  "smb2",
	unix.CIFS_SUPER_MAGIC:  "cifs",
	unix.V9FS_MAGIC:        "9p",
	unix.FUSE_SUPER_MAGIC:  "fuse", // sshfs, glusterfs and others; which of them is not told
	unix.CEPH_SUPER_MAGIC:  "ceph",
	unix.AFS_SUPER_MAGIC:   "afs",
	unix.AFS_FS_MAGIC:      "afs",
	unix.CODA_SUPER_MAGIC:  "coda",
	unix.NCP_SUPER_MAGIC:   "ncp",
	unix.OCFS2_SUPER_MAGIC: "ocfs2",
	0x0bd00bd0:             "lustre",
	0x01161970:             "gfs2",
	0x47504653:             "gpfs",
	0x19830326:             "beegfs",
	0xaad7aaea:             "panfs",
	0x20030528:             "orangefs",
	0x786f4256:             "vboxsf",
	0xbacbacbc:             "vmhgfs",
}

// local refuses a directory on a network file system.
func local(path string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return fmt.Errorf("ask for its file system: %w", err)
	}
	return refuse(uint32(stat.Type)) //nolint:gosec // the magic numbers have 32 bits
}

func refuse(magic uint32) error {
	if name, ok := remote[magic]; ok {
		return fmt.Errorf("it is on a network file system (%s), where a lock does not prove that a process is dead", name)
	}
	return nil
}
