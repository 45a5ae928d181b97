// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Copy copies a directory so that the copy proves the same as the original. It is for tests that kill a simulated process. That
// process shares its real process, and so its locks, with others, so only the test can know that it is dead.
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
