// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package fleet

// raceDetector is whether the program was built with it.
const raceDetector = false
