// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package fleet

// RaceDetector is whether the program was built with the race detector.
const RaceDetector = true
