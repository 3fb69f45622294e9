package doctor

import (
	"context"
	"fmt"

	"flowkeeper/internal/logbucket"
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
		b, key := logbucket.Of(m.AWS, c), facts.logFiles[c.Name]
		known := key != ""
		if !known {
			key = c.Prefix + neverStored
		}
		out = append(out, judgeBucket(b, known, b.Try(ctx, key)))
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
