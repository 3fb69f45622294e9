package configs

import (
	"fmt"
	"regexp"
	"strings"
)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (check checks) logFiles(l LogFiles) {
	check.require(l.MaxBytes >= 1<<20 && l.MaxBytes <= 1<<40, "log_files.max_bytes", l.MaxBytes.String(), "write a size from 1MiB to 1024GiB")
	seen := map[string]bool{}
	for n, b := range l.Buckets {
		key := fmt.Sprintf("log_files.buckets[%d]", n)
		check.require(!strings.HasPrefix(b.Name, "s3:") && !strings.HasPrefix(b.Name, "arn:"), key+".name", b.Name, "write the bucket's name: no s3:// and no ARN")
		check.require(bucketName.MatchString(b.Name), key+".name", b.Name, "write the bucket's name alone, 3 to 63 lowercase letters, digits, dots and dashes: what follows it belongs in prefix")
		check.require(!seen[b.Name], key+".name", b.Name, twice)
		seen[b.Name] = true
		check.require(accountID.MatchString(b.Owner), key+".owner", b.Owner, "write the twelve digits of the account that owns the bucket, in quotes: a bucket of another account with this name is not read")
		check.require(!strings.HasPrefix(b.Prefix, "/") && !strings.ContainsAny(b.Prefix, "*?"), key+".prefix", b.Prefix, "write how keys begin, without / before it and without *")
		check.logPrefix(key+".prefix", b.Prefix)
		check.role(key+".role_arn", b.RoleARN, b.Owner)
		check.require(b.ExternalID == "" || b.RoleARN != "", key+".external_id", b.ExternalID, needsRole)
		check.externalID(key+".external_id", b.ExternalID)
	}
}

// logPrefix refuses the prefix of the other files that CloudTrail writes, such as digests. The same words
// are allowed before AWSLogs/, in a trail's own prefix.
func (check checks) logPrefix(key, prefix string) {
	const logs = "AWSLogs/"
	before := strings.LastIndex(prefix, logs)
	begin, rest := logs, prefix
	if before >= 0 {
		begin, rest = prefix[:before+len(logs)], prefix[before+len(logs):]
	}
	const fix = "no key of a log file begins so, only those of CloudTrail's %s: write how the keys of log files begin, such as %s"
	check.require(!strings.Contains(rest, "CloudTrail-Digest"), key, prefix, fix, "digests", begin)
	check.require(!strings.Contains(rest, "CloudTrail-Insight"), key, prefix, fix, "Insights events", begin)
}
