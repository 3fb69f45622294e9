package simulate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzMessage: whatever text a message in the queue holds, the daemon makes and deletes nothing in AWS because of
// it (I2), goes on (I8), and alerts of and restores the next real deletion.
func FuzzMessage(f *testing.F) {
	for _, body := range messages() {
		f.Add(body)
	}
	root, err := os.MkdirTemp("", "fuzz-message-")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(root) })
	var p *play
	count, plays := 0, 0
	f.Fuzz(func(t *testing.T, body string) {
		if count%200 == 0 { // a new world now and then: earlier messages may influence later ones
			if p != nil {
				p.end()
			}
			p = staged(t, filepath.Join(root, fmt.Sprint(plays)))
			plays++
		}
		count++
		if err := fed(p, body, count%25 == 0); err != nil {
			count = 0
			t.Fatal(err)
		}
	})
	if p != nil {
		p.end()
	}
}

// staged is a play in which the snapshot has every flow log, and all are old.
func staged(t *testing.T, dir string) *play {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := newPlay(7, dir, 1, false)
	p.refreshAll()
	p.pass(time.Hour)
	p.refreshAll()
	return p
}

// fed lets the daemon handle a message and, if attack is set, a deletion after it.
func fed(p *play, body string, attack bool) (err error) {
	defer recoverFailure(p, &err)
	before := ids(p)
	if p.world.Send(p.arn, body) != nil {
		return nil // SQS does not take it
	}
	d := p.daemons[0]
	d.receive()
	d.step(p.scopes()[0])
	if after := ids(p); after != before {
		p.fail("a message changed what is in AWS: %s, then %s", before, after)
	}
	if !attack {
		return nil
	}
	p.deleteSome(p.attacker, 1)
	for len(p.records) > 0 {
		p.send(false)
	}
	for range 5 {
		p.round(d)
		p.pass(time.Minute)
	}
	p.check()
	p.checkAtEnd()
	return nil
}

func ids(p *play) string {
	var out []string
	for _, f := range p.here() {
		out = append(out, f.ID)
	}
	return strings.Join(out, " ")
}

// messages are messages that a queue may bring, and some that an attacker may send.
func messages() []string {
	record := func(event, request, response string) string {
		return fmt.Sprintf(`{"eventVersion":"1.10","eventTime":"2026-03-01T12:00:00Z","eventSource":"ec2.amazonaws.com","eventName":%q,"awsRegion":%q,
			"recipientAccountId":%q,"eventID":"e1","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/terraform"},
			"requestParameters":%s,"responseElements":%s}`, event, region, account, request, response)
	}
	const id = "fl-00000000000000001"
	deleted := record("DeleteFlowLogs", `{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"`+id+`"}}}`, `{"DeleteFlowLogsResponse":{"unsuccessful":""}}`)
	envelope := func(detail string) string {
		return `{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","detail":` + detail + `}`
	}
	return []string{
		deleted, envelope(deleted), `{"Records":[` + deleted + `,{"eventName":7}]}`,
		`{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":` + fmt.Sprintf("%q", deleted) + `}`,
		envelope(record("DeleteFlowLogs", `{"omitted":true,"originalSize":300000}`, `null`)),
		envelope(record("DeleteFlowLogs", `{"DeleteFlowLogsRequest":{"FlowLogId":[{"tag":1,"content":"`+id+`"},{"tag":2,"content":"fl-0000000000000beef"}]}}`,
			`{"DeleteFlowLogsResponse":{"unsuccessful":{"item":{"resourceId":"`+id+`","error":{"code":"x"}}}}}`)),
		envelope(record("CreateFlowLogs", `{"CreateFlowLogsRequest":{"ResourceId":{"tag":1,"content":"vpc-0"}}}`, `{"CreateFlowLogsResponse":{"flowLogIdSet":{"item":"`+id+`"}}}`)),
		envelope(record("CreateFlowLogs", `{"CreateFlowLogsRequest":{"DryRun":true,"ClientToken":"flowkeeper-rehearsal-x-1-1"}}`, `null`)),
		envelope(record("DeleteVpc", `{"vpcId":"vpc-0"}`, `{"_return":true}`)),
		envelope(strings.Replace(record("DeleteBucket", `{"bucketName":"bucket-0"}`, `null`), "ec2.", "s3.", 1)),
		envelope(strings.Replace(record("StopLogging", `{"name":"main"}`, `null`), "ec2.", "cloudtrail.", 1)),
		`{"Type":"SubscriptionConfirmation","SubscribeURL":"https://example.com"}`,
		`{"s3Bucket":"b","s3ObjectKey":["k"]}`, `DeleteFlowLogs`, `{`, `[]`, `null`, strings.Repeat("[", 1000), "{\"eventName\":\"\\u0044eleteFlowLogs\"}",
	}
}
