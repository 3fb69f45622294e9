package simulate

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/configs"
	"flowkeeper/internal/logbucket"
	"flowkeeper/internal/logfile"
	"flowkeeper/watcher"
)

// CloudTrail also writes each record into a log file in S3, minutes later, and a notice of that file goes to the same queue.
// So a record may come twice, or only in a file, long after a refresh has found the loss.

const trailBucket = "trail"

// file writes some of the records into a log file, now and then, in a sixth of the plays.
func (p *play) file() {
	if p.filing != nil && len(p.unfiled) > 0 && p.filing.IntN(20) == 0 {
		p.writeFile(1 + p.filing.IntN(len(p.unfiled)))
	}
}

// writeFile writes n records that are in no log file yet into one, and sends its notice to the queue.
func (p *play) writeFile(n int) {
	p.filing.Shuffle(len(p.unfiled), func(i, j int) { p.unfiled[i], p.unfiled[j] = p.unfiled[j], p.unfiled[i] })
	var content struct{ Records []json.RawMessage }
	for _, r := range p.unfiled[:n] {
		var e struct {
			Detail json.RawMessage `json:"detail"`
		}
		p.must(json.Unmarshal([]byte(r.body), &e))
		content.Records = append(content.Records, e.Detail)
		p.sent = append(p.sent, record{body: r.body, event: r.event, deleted: p.deleted[r.event]})
	}
	p.unfiled = p.unfiled[n:]
	text, err := json.Marshal(content)
	p.must(err)
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, err = z.Write(text)
	p.must(errors.Join(err, z.Close()))
	p.count++
	key := fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%[1]s_CloudTrail_%[2]s_%[4]d.json.gz", account, region, p.now.UTC().Format("2006/01/02"), p.count)
	p.world.PutObject(trailBucket, key, gz.Bytes())
	notice, err := json.Marshal(map[string]any{"s3Bucket": trailBucket, "s3ObjectKey": []string{key}})
	p.must(err)
	p.must(p.world.Send(p.arn, string(notice)))
	p.say("a log file with %d records", n)
	p.happened["log files"]++
}

// files reads log files with the parts that internal/daemon uses.
type files struct{ bucket *logbucket.Bucket }

func newFiles(base aws.Config) files {
	return files{logbucket.New(base, configs.LogBucket{Name: trailBucket, Owner: account})}
}

// Read implements watcher.Files.
func (f files) Read(ctx context.Context, o watcher.Object, found func(raw []byte) error) error {
	if o.Bucket != trailBucket || logfile.ParseKey(o.Key).Kind != logfile.Log {
		return fmt.Errorf("%s/%s is no log file of the trail", o.Bucket, o.Key)
	}
	_, err := f.bucket.Read(ctx, o.Key, logfile.Limits{}, found)
	return err
}
