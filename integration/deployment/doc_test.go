// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package deployment runs groups of two workers in real time on servers as an operator sets them up: with permissions, with
// credentials, over TLS, in a domain behind a leaf node. The scenarios in virtual time take no notice of a busy machine, and
// these do, so they are a package of their own.
package deployment
