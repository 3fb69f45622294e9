package fakeaws

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// maxObject bounds an upload: this S3 lives in memory.
const maxObject = 64 << 20

// s3Error is a refusal on the wire.
type s3Error struct {
	code    string
	message string
	status  int
	region  string // where the bucket is, for a redirect
}

func (e *s3Error) Error() string { return e.code + ": " + e.message }

func errS3NotImplemented(what string) *s3Error {
	return &s3Error{code: "NotImplemented", message: what + " is not implemented by this fake", status: http.StatusNotImplemented}
}

func errBadDigest(what string) *s3Error {
	return &s3Error{code: "BadDigest", message: "The " + what + " you specified did not match the calculated checksum.", status: http.StatusBadRequest}
}

func errIncompleteBody(err error) *s3Error {
	return &s3Error{code: "IncompleteBody", message: fmt.Sprintf("The upload cannot be read: %v", err), status: http.StatusBadRequest}
}

type s3ErrorBody struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

// writeS3Error answers HEAD with the status alone, as S3 does.
func writeS3Error(w http.ResponseWriter, r *http.Request, err error) {
	e := (*s3Error)(nil)
	if !errors.As(err, &e) {
		e = &s3Error{code: "InternalError", message: err.Error(), status: http.StatusInternalServerError}
	}
	if e.region != "" {
		w.Header().Set("X-Amz-Bucket-Region", e.region)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(e.status)
	if r.Method != http.MethodHead {
		xml.NewEncoder(w).Encode(s3ErrorBody{Code: e.code, Message: e.message}) //nolint:errcheck // the client is gone
	}
}

// readUpload is the object in a PUT, out of its chunks if it comes in some,
// with its checksums verified.
func readUpload(r *http.Request) ([]byte, error) {
	wire, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxObject))
	if err != nil {
		return nil, errIncompleteBody(err)
	}
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return wire, verifyChecksums(wire, r.Header)
	}
	body, trailer, err := dechunk(wire)
	if err != nil {
		return nil, errIncompleteBody(err)
	}
	if want := r.Header.Get("X-Amz-Decoded-Content-Length"); want != strconv.Itoa(len(body)) {
		return nil, errIncompleteBody(fmt.Errorf("%s bytes announced, %d came", want, len(body)))
	}
	r.Trailer = trailer
	return body, errors.Join(verifyChecksums(body, r.Header), verifyChecksums(body, trailer))
}

// dechunk undoes aws-chunked: chunks of a hexadecimal length (with a
// signature behind it, or not), an empty one, and trailing headers.
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
// (CRC-32 is its default) and takes the others as they are.
func verifyChecksums(body []byte, headers http.Header) error {
	crc := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))
	sha := sha256.Sum256(body)
	for name, sum := range map[string][]byte{"X-Amz-Checksum-Crc32": crc, "X-Amz-Checksum-Sha256": sha[:]} {
		if want := headers.Get(name); want != "" && want != base64.StdEncoding.EncodeToString(sum) {
			return errBadDigest(name)
		}
	}
	return nil
}
