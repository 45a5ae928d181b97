// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// BuildPlayground builds the playground into a folder, as its README says. It is called in the folder of this module.
func BuildPlayground(ctx context.Context, dir string) error {
	build := exec.CommandContext(ctx, "go", "run", "./docs/playground", "-to", dir)
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the playground: %w\n%s", err, out)
	}
	return nil
}
