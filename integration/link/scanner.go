// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package link

import (
	"bytes"
	"strconv"
	"strings"
)

// scanner reads the client's side of the NATS protocol just far enough to see the subject of each published message, and
// does to the message what the link says.
type scanner struct {
	count  func(subject string)
	fate   func(subject string) Fault
	line   []byte // of a control line that has not ended yet
	skip   int    // bytes of a payload, with its line end, still to come
	absent bool   // that payload does not get through
}

// scan takes the next bytes that the client wrote and returns what gets through. The begin of a control line is kept back
// until its end is there.
func (s *scanner) scan(b []byte) (through []byte) {
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(b))
			if !s.absent {
				through = append(through, b[:n]...)
			}
			s.skip -= n
			b = b[n:]
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			s.line = append(s.line, b...)
			return through
		}
		s.line = append(s.line, b[:end+1]...)
		through = append(through, s.control(s.line)...)
		s.line = s.line[:0]
		b = b[end+1:]
	}
	return through
}

// nowhere is a subject that nobody listens to: the server answers a request to it at once, and says so.
const nowhere = "nobody.listens.here"

// control looks at one line and returns what becomes of it: PUB subject [reply] size, or HPUB subject [reply] header-size
// size. Others pass.
func (s *scanner) control(line []byte) []byte {
	fields := strings.Fields(string(line))
	if len(fields) < 3 {
		return line
	}
	sizes := map[string]int{"PUB": 1, "HPUB": 2}[fields[0]]
	size, err := strconv.Atoi(fields[len(fields)-1])
	if sizes == 0 || err != nil {
		return line
	}
	s.skip, s.absent = size+len("\r\n"), false
	if s.count != nil {
		s.count(fields[1])
	}
	asks := len(fields) == 3+sizes
	switch s.fate(fields[1]) {
	case None:
		return line
	case Unheard:
		if !asks {
			return line
		}
		fields = append(fields[:2], fields[3:]...)
	case Refused:
		if !asks {
			return line
		}
		fields[1] = nowhere
	default:
		s.absent = true
		return nil
	}
	return []byte(strings.Join(fields, " ") + "\r\n")
}
