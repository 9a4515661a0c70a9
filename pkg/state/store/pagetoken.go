package store

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
)

// A page token is, in base64url: the version, the fingerprint of the list and
// its filters (8 bytes), the cursor, and a CRC-32 of all before it. It is not
// secret and not signed: whoever forges one gets a page of a list that he may
// read anyway. The checksum is there to tell a clipped token from a foreign one.
const (
	tokenVersion  = 1
	tokenHead     = 1 + 8
	tokenTail     = 4
	tokenMaxBytes = 512
)

// PageToken makes the token that goes on after cursor in the list named by
// list. list must hold everything that selects rows, filters included: a token
// is only good for the list that made it. An empty cursor gives the empty
// token, which is the first page.
func PageToken(list, cursor string) string {
	if cursor == "" {
		return ""
	}
	b := make([]byte, 0, tokenHead+len(cursor)+tokenTail)
	b = append(b, tokenVersion)
	b = binary.BigEndian.AppendUint64(b, fingerprint(list))
	b = append(b, cursor...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// Cursor reads a token that was made for the same list; the empty token gives
// the empty cursor. Errors wrap ErrPageToken and say which of the two is wrong,
// the token or the list.
func Cursor(list, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	if len(token) > tokenMaxBytes {
		return "", fmt.Errorf("%w: it is %d characters long, tokens of this server have at most %d; ask again without a token",
			ErrPageToken, len(token), tokenMaxBytes)
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) <= tokenHead+tokenTail {
		return "", errTokenDamaged()
	}
	body, sum := b[:len(b)-tokenTail], b[len(b)-tokenTail:]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(sum) {
		return "", errTokenDamaged()
	}
	if body[0] != tokenVersion {
		return "", fmt.Errorf("%w: it was made by another version of the server; ask again without a token", ErrPageToken)
	}
	if binary.BigEndian.Uint64(body[1:tokenHead]) != fingerprint(list) {
		return "", fmt.Errorf("%w: it belongs to another list, or to this list with other filters; "+
			"repeat the filters of the first page, or ask again without a token", ErrPageToken)
	}
	return string(body[tokenHead:]), nil
}

func errTokenDamaged() error {
	return fmt.Errorf("%w: it is damaged, perhaps cut while copying; ask again without a token", ErrPageToken)
}

func fingerprint(list string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(list)) // never fails (hash.Hash)
	return h.Sum64()
}
