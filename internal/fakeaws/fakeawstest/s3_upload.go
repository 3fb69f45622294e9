package fakeawstest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"flowkeeper/internal/fakeaws"
)

// maxObject bounds an upload: this S3 lives in memory.
const maxObject = 64 << 20

func badDigest(what string) error {
	return fakeaws.Errorf("BadDigest", "The %s you specified did not match the calculated checksum.", what)
}

func incompleteBody(err error) error {
	return fakeaws.Errorf("IncompleteBody", "The upload cannot be read: %v", err)
}

// readUpload returns the object in a PUT, put together from its chunks if it has any. It
// verifies the checksums.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
func readUpload(r *http.Request) ([]byte, error) {
	wire, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxObject))
	if err != nil {
		return nil, incompleteBody(err)
	}
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return wire, verifyChecksums(wire, r.Header)
	}
	body, trailer, err := dechunk(wire)
	if err != nil {
		return nil, incompleteBody(err)
	}
	if want := r.Header.Get("X-Amz-Decoded-Content-Length"); want != strconv.Itoa(len(body)) {
		return nil, incompleteBody(fmt.Errorf("%s bytes announced, %d came", want, len(body)))
	}
	r.Trailer = trailer
	return body, errors.Join(verifyChecksums(body, r.Header), verifyChecksums(body, trailer))
}

// dechunk decodes aws-chunked: chunks that begin with a hexadecimal length (with or without
// a signature), an empty chunk, and trailing headers.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func dechunk(wire []byte) ([]byte, http.Header, error) {
	in := textproto.NewReader(bufio.NewReader(bytes.NewReader(wire)))
	var body []byte
	for {
		line, err := in.ReadLine()
		if err != nil {
			return nil, nil, fmt.Errorf("read chunk header: %w", err)
		}
		digits, _, _ := strings.Cut(line, ";")
		size, err := strconv.ParseUint(digits, 16, 32)
		if err != nil {
			return nil, nil, fmt.Errorf("read chunk header: %w", err)
		}
		if size == 0 {
			break
		}
		if size > uint64(len(wire)) {
			return nil, nil, io.ErrUnexpectedEOF
		}
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(in.R, chunk); err != nil {
			return nil, nil, fmt.Errorf("read chunk: %w", err)
		}
		body = append(body, chunk[:size]...)
	}
	trailer, err := in.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("read trailer: %w", err)
	}
	return body, http.Header(trailer), nil
}

// verifyChecksums checks the two kinds that people use with the Go SDK
// (CRC-32 is its default), and ignores other kinds.
func verifyChecksums(body []byte, headers http.Header) error {
	crc := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))
	sha := sha256.Sum256(body)
	for name, sum := range map[string][]byte{"X-Amz-Checksum-Crc32": crc, "X-Amz-Checksum-Sha256": sha[:]} {
		if want := headers.Get(name); want != "" && want != base64.StdEncoding.EncodeToString(sum) {
			return badDigest(name)
		}
	}
	return nil
}

// keptHeaders returns the headers that a GET returns: the type, the writer's metadata, and
// the verified checksums.
func keptHeaders(r *http.Request) http.Header {
	kept := http.Header{"Content-Type": {"binary/octet-stream"}}
	for name, values := range r.Header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-Meta-") || isChecksum(name) {
			kept[name] = values
		}
	}
	for name, values := range r.Trailer {
		if isChecksum(name) {
			kept[name] = values
		}
	}
	return kept
}

func isChecksum(header string) bool {
	return strings.HasPrefix(header, "X-Amz-Checksum-") && header != "X-Amz-Checksum-Mode"
}
