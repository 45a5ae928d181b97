package link

import (
	"bytes"
	"strconv"
)

// scanner reads the client's side of the NATS protocol just far enough to see the subject of each published message. It
// takes those out that are blocked.
type scanner struct {
	count   func(subject string)
	blocked func(subject string) bool
	line    []byte // of a control line that has not ended yet
	skip    int    // bytes of a payload, with its line end, still to come
	drop    bool   // they go with a message that is blocked
}

// scan returns what of the bytes is to go on, in a slice of its own. A control line goes on once it is complete.
func (s *scanner) scan(b []byte) []byte {
	passed := make([]byte, 0, len(b)+len(s.line))
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(b))
			if !s.drop {
				passed = append(passed, b[:n]...)
			}
			s.skip -= n
			b = b[n:]
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			s.line = append(s.line, b...)
			return passed
		}
		s.line = append(s.line, b[:end+1]...)
		if s.control(s.line); !s.drop {
			passed = append(passed, s.line...)
		}
		s.line = s.line[:0]
		b = b[end+1:]
	}
	return passed
}

// control looks at one line: PUB subject [reply] size, or HPUB subject [reply] header-size size.
func (s *scanner) control(line []byte) {
	s.drop = false
	fields := bytes.Fields(line)
	if len(fields) < 3 || !bytes.Equal(fields[0], []byte("PUB")) && !bytes.Equal(fields[0], []byte("HPUB")) {
		return
	}
	if size, err := strconv.Atoi(string(fields[len(fields)-1])); err == nil {
		s.skip = size + len("\r\n")
		subject := string(fields[1])
		if s.count != nil {
			s.count(subject)
		}
		s.drop = s.blocked(subject)
	}
}
