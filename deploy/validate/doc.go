// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package validate checks the manifests in deploy: against the schemas of Kubernetes, against each other, and against the worker
// that they start.
package validate
