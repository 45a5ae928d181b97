// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// unpackedMost limits the size of a value that is packed, and the size to which a packed record may grow when it is read.
const unpackedMost = 256 << 20

// Piece is a packed record, or a part of one. All pieces of one write have the same token.
type Piece struct {
	Format int    `json:"format"`
	Token  Token  `json:"token"`
	Part   int    `json:"part,omitempty"`   // the number of this part; 0 in the main piece
	Parts  int    `json:"parts,omitempty"`  // how many parts there are; 0 where the main piece holds everything
	Sum    string `json:"sum,omitempty"`    // of what is packed, in the main piece
	Packed []byte `json:"packed,omitempty"` // zstd
}

// Pack returns the pieces of a value, none longer than most bytes: first the parts in their order, if there are any, and then
// the main piece.
func Pack(t Token, value []byte, most int) ([][]byte, error) {
	if len(value) > unpackedMost {
		return nil, fmt.Errorf("allowed: %d bytes before it is packed", unpackedMost)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	data := encoder.EncodeAll(value, nil)
	main := Piece{Format: FormatPacked, Token: t, Sum: sum(data), Packed: data}
	whole, err := json.Marshal(main)
	if err != nil || len(whole) <= most {
		return [][]byte{whole}, err
	}
	// The bytes are written as base64, four characters for three; the rest of a piece is short.
	room := (most - len(whole) + (len(data)+2)/3*4 - len(`"part":,`) - len(strconv.Itoa(len(data)))) / 4 * 3
	if room <= 0 {
		return nil, fmt.Errorf("a message of %d bytes has no room for a part", most)
	}
	var pieces [][]byte
	for first := 0; first < len(data); first += room {
		main.Parts++
		part, err := json.Marshal(Piece{Format: FormatPacked, Token: t, Part: main.Parts, Packed: data[first:min(first+room, len(data))]})
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, part)
	}
	main.Packed = nil
	whole, err = json.Marshal(main)
	return append(pieces, whole), err
}

// PieceOf reads a piece. ok is false if the value is not a piece.
func PieceOf(value []byte) (p Piece, ok bool) {
	if !bytes.HasPrefix(value, begin) {
		return Piece{}, false
	}
	err := json.Unmarshal(value, &p)
	return p, err == nil && p.packed()
}

// begin is the prefix of every piece, as [Pack] writes it.
var begin = []byte(`{"format":` + strconv.Itoa(FormatPacked) + `,`)

func (p Piece) packed() bool {
	return p.Format == FormatPacked && (len(p.Packed) > 0 || p.Parts > 0)
}

// Unpack returns the value that was packed into a main piece and its parts. part returns a part by its number.
func (p Piece) Unpack(part func(n int) []byte) ([]byte, error) {
	data := p.Packed
	if p.Parts > 0 {
		data = nil
		for n := range p.Parts {
			next := part(n + 1)
			if len(next) == 0 {
				return nil, fmt.Errorf("part %d of %d of a packed record is missing", n+1, p.Parts)
			}
			data = append(data, next...)
		}
	}
	if sum(data) != p.Sum {
		return nil, errors.New("the checksum of a packed record is wrong")
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(unpackedMost))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	defer decoder.Close()
	value, err := decoder.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return value, nil
}

func sum(data []byte) string { return strconv.FormatUint(xxhash.Sum64(data), 16) }
