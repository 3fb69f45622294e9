package logbucket

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"flowkeeper/internal/logfile"
)

// OfFile reports whether an error of Read is about that one file, not about the bucket or the
// network.
func OfFile(err error) bool {
	if errors.Is(err, logfile.ErrNotALogFile) || errors.Is(err, logfile.ErrTooLarge) {
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "InvalidObjectState")
}

// Advice says what to do about an error of Read; empty: nothing is known.
func (b *Bucket) Advice(err error) string {
	switch {
	case errors.Is(err, logfile.ErrTooLarge):
		return "CloudTrail's own files are smaller: see who wrote it, or raise log_files.max_bytes"
	case errors.Is(err, logfile.ErrNotALogFile):
		return "compare it with CloudTrail's digests (`aws cloudtrail validate-logs`): somebody may have changed it"
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	code, text := api.ErrorCode(), api.ErrorMessage()
	switch {
	case strings.HasPrefix(code, "KMS."), strings.Contains(text, "kms:"), strings.Contains(text, "KMS"):
		return "allow kms:Decrypt on the key that encrypts the bucket, both in the key's policy and to " + b.reader()
	case code == "NoSuchKey":
		return "it was deleted before it could be read: find out by whom, and get its records from CloudTrail (`aws cloudtrail lookup-events`)"
	case code == "InvalidObjectState":
		return "it is archived: restore it, then redrive its message"
	case code == "NoSuchBucket":
		return "see that log_files.buckets has the bucket's name, and who deleted it if it was there"
	case code == "AccessDenied":
		return fmt.Sprintf("allow s3:GetObject on arn:aws:s3:::%s/%s* to %s, in the bucket's policy too if it is another account's. S3 answers the same if account %s does not own the bucket, and for a missing object to those who may not list the bucket", b.Name, b.Prefix, b.reader(), b.Owner)
	}
	return ""
}

// reader names the principal that reads the bucket.
func (b *Bucket) reader() string { return cmp.Or(b.RoleARN, "Flowkeeper's own credentials") }
