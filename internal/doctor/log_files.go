package doctor

import (
	"context"
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/logbucket"
	"flowkeeper/internal/logfile"
)

// neverStored is the key of no object: S3 says so to those who may read and list the bucket.
const neverStored = "flowkeeper-doctor-asks-whether-it-may-read"

// logFiles begins to read the file that the daemon has last noted of each bucket, with the
// permissions that the daemon needs and no other.
func (m *machine) logFiles(ctx context.Context) (out []finding) {
	if len(m.Config.LogFiles.Buckets) == 0 {
		return findings(fine("log_files.buckets names none"))
	}
	facts, _ := m.state() // state-file reports the error
	for _, c := range m.Config.LogFiles.Buckets {
		b, noted := logbucket.New(m.AWS, c), facts.keys[c.Name]
		key := noted.read
		known := key != "" && strings.HasPrefix(key, c.Prefix) // the prefix may have been changed since
		if !known {
			key = c.Prefix + neverStored
			out = append(out, judgeKeys(c, noted.outside, noted.foreign)...)
		}
		out = append(out, judgeBucket(b, known, b.Try(ctx, key)))
	}
	return out
}

const maxShown = 300 // characters of a key: the prefix of a trail has 200 at most

// judgeKeys judges the keys that came for a bucket of which no file was read yet. outside is the key of a
// log file that does not begin with the prefix, foreign is the key of another object; empty: none came.
func judgeKeys(c configs.LogBucket, outside, foreign string) (out []finding) {
	name := "s3://" + c.Name + "/" + c.Prefix
	trail := logfile.Trail(outside)
	switch {
	case trail != "" && !strings.HasPrefix(outside, c.Prefix): // else the prefix was corrected since
		begins := shellWord(alert.Clean(trail, maxShown)) // quoted: an attacker may have chosen a key that reads as advice
		out = append(out, finding{Fail, fmt.Sprintf("no log file of %s was read yet, but such come whose keys begin with %s: they are not read, and deletions that they record are not seen", name, begins),
			"set the prefix of " + c.Name + " in log_files.buckets to " + begins + ", and restart the daemon"})
	case foreign != "":
		out = append(out, finding{Warn, fmt.Sprintf("no log file of %s was read yet, but objects come that are none of CloudTrail's log files, such as %s", name, shellWord(alert.Clean(foreign, maxShown))),
			"see which bucket the trail writes to, and with which prefix: aws cloudtrail describe-trails; and run the doctor again ten minutes after calls were made"})
	}
	return out
}

// judgeBucket judges the answer to reading a file, which was known to be there or not.
func judgeBucket(b *logbucket.Bucket, known bool, err error) finding {
	name := "s3://" + b.Name + "/" + b.Prefix
	if err == nil {
		return fine("%s can be read", name)
	}
	switch c := code(err); {
	case c == "NoSuchKey":
		return fine("%s can be read", name) // also if the file has expired
	case c == "AccessDenied" && !known:
		return finding{Unknown, fmt.Sprintf("can't tell whether %s can be read: no file of it was read yet, and S3 answers the same for a missing one", name), "run the doctor again ten minutes after calls were made; if it says the same: " + b.Advice(err)}
	case c != "":
		return finding{Fail, fmt.Sprintf("%s can't be read: %s", name, errorText(err)), b.Advice(err)}
	}
	return finding{Unknown, fmt.Sprintf("can't tell whether %s can be read: %s", name, errorText(err)), ""}
}
