package link

import (
	"bytes"
	"strconv"
)

// scanner reads the client's side of the NATS protocol just far enough to see the subject of each published message.
type scanner struct {
	count func(subject string)
	line  []byte // of a control line that has not ended yet
	skip  int    // bytes of a payload, with its line end, still to come
}

func (s *scanner) scan(b []byte) {
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(b))
			s.skip -= n
			b = b[n:]
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			s.line = append(s.line, b...)
			return
		}
		s.control(append(s.line, b[:end]...))
		s.line = s.line[:0]
		b = b[end+1:]
	}
}

// control looks at one line: PUB subject [reply] size, or HPUB subject [reply] header-size size.
func (s *scanner) control(line []byte) {
	fields := bytes.Fields(line)
	if len(fields) < 3 || !bytes.Equal(fields[0], []byte("PUB")) && !bytes.Equal(fields[0], []byte("HPUB")) {
		return
	}
	if size, err := strconv.Atoi(string(fields[len(fields)-1])); err == nil {
		s.skip = size + len("\r\n")
		s.count(string(fields[1]))
	}
}
