// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Copy copies a directory so that the copy proves what the first one does. It is for tests in which a process is killed that
// shares this one, and its locks, with others: only they can know that it is dead.
func Copy(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(to, stateFile)); err != nil {
		return nil //nolint:nilerr // there is nothing to prove yet
	}
	s, err := read(filepath.Join(to, stateFile))
	if err != nil {
		return err
	}
	if s.Seal, err = seal(filepath.Join(to, lockFile)); err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replace(filepath.Join(to, stateFile), text)
}
