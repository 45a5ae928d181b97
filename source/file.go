// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/parti-go/parti"
)

// fileEvery is the time between two looks at a file. A notification of the file system would be faster, but does not exist for
// network file systems and for the links with which Kubernetes swaps a ConfigMap.
const fileEvery = time.Second

// settled is the age from which a file counts as unchanged if its size and time are the same. A file that is written twice in
// the same tick of the clock has the same time.
const settled = 2 * time.Second

// File returns a source that lists the partitions of a file. Each line has one ID and, after white space, an optional
// weight.
//
//	# the regions that we serve
//	orders.eu
//	orders.us 300   # three times the load
//
// File ignores empty lines, and everything after a '#' at the beginning of a line or after white space. A duplicate ID, an
// invalid weight and a file without partitions are errors that name the line.
//
// Watch reads the file once a second. So it sees a change wherever the file is: on a network file system, behind symbolic
// links, in a ConfigMap of Kubernetes (mount the whole volume; a volume mounted with subPath is never updated). Write a new
// file beside the old one and rename it, so that no worker reads half a file.
func File(path string) parti.WatchedSource { return file(path) }

type file string

// ListPartitions implements parti.PartitionSource.
func (f file) ListPartitions(context.Context) ([]parti.Partition, error) {
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	b := newBuilder("file " + string(f))
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		words := strings.Fields(line)
		for i, word := range words {
			if strings.HasPrefix(word, "#") {
				words = words[:i]
				break
			}
		}
		place := fmt.Sprintf("line %d", number)
		switch len(words) {
		case 0:
		case 1:
			b.add(place, words[0], "")
		case 2:
			b.add(place, words[0], words[1])
		default:
			b.problem(fmt.Errorf("%w: %s is %q, allowed: an ID, a weight, and a comment after '#'", parti.ErrInvalidKey, place, strings.TrimSpace(line)))
		}
	}
	return b.done()
}

func (f file) read() ([]byte, error) {
	if f == "" {
		return nil, argument("File", "path", `""`, "the path of a file")
	}
	text, err := os.ReadFile(string(f))
	if err != nil {
		return nil, fmt.Errorf("list of partitions: %w", err)
	}
	return text, nil
}

// Watch implements parti.WatchedSource.
func (f file) Watch(ctx context.Context, changed func()) error {
	if f == "" {
		return argument("File", "path", `""`, "the path of a file")
	}
	var last os.FileInfo // of what was read last
	was := ""
	return poll(ctx, fileEvery, func(context.Context) (string, error) {
		info, err := os.Stat(string(f))
		if err != nil {
			last = nil
			return "", err
		}
		if last != nil && os.SameFile(last, info) && last.Size() == info.Size() && last.ModTime().Equal(info.ModTime()) &&
			time.Since(info.ModTime()) > settled {
			return was, nil
		}
		text, err := f.read()
		if err != nil {
			last = nil
			return "", err
		}
		d := xxhash.New()
		_, _ = d.Write(text)
		last, was = info, hex.EncodeToString(d.Sum(nil))
		return was, nil
	}, changed)
}
