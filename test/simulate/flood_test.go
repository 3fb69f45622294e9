package simulate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

const eve = "arn:aws:iam::" + account + ":user/eve" // may delete nothing, but causes records without end

// floods are calls and messages that an attacker may send without end. Each makes one record.
var floods = []struct {
	name string
	one  func(p *play, n int)
}{
	{"refused calls", func(p *play, _ int) { p.attempt(p.inventedIDs(1000), false) }},
	{"dry runs", func(p *play, _ int) { p.attempt(p.inventedIDs(1000), true) }},
	{"dry runs of real ones", func(p *play, _ int) { p.attempt(p.someIDs(3), true) }},
	{"tampering", (*play).tamper},
	{"unknown ones deleted", func(p *play, _ int) { p.pretendDeletion(account, p.anyScope().Region, p.inventedIDs(50)) }},
	{"foreign accounts", func(p *play, n int) {
		p.pretendDeletion(fmt.Sprintf("2222%08d", p.random.IntN(50)), p.anyScope().Region, p.inventedIDs(50))
	}},
	{"foreign Regions", func(p *play, n int) {
		p.pretendDeletion(account, fmt.Sprintf("xx-north-%d", p.random.IntN(50)), p.inventedIDs(50))
	}},
}

// flood sends many records of one kind.
func (p *play) flood() {
	f := floods[p.random.IntN(len(floods))]
	n := 3 + p.random.IntN(12)
	if p.random.IntN(6) == 0 {
		n *= 4
	}
	p.say("  %d %s", n, f.name)
	p.happened["flood of "+f.name]++
	for k := range n {
		f.one(p, k)
		if p.random.IntN(8) == 0 {
			p.pass(time.Duration(p.random.Int64N(int64(time.Minute))))
		}
	}
}

// inventedIDs are IDs of flow logs that never existed: mostly one to three, now and then as many as most.
func (p *play) inventedIDs(most int) (ids []string) {
	n := 1 + p.random.IntN(3)
	if p.random.IntN(100) == 0 {
		n = most
	}
	from := p.random.IntN(1 << 30)
	for k := range n {
		ids = append(ids, fmt.Sprintf("fl-%017x", 0xbad0000000000+from+k))
	}
	return ids
}

// someIDs are the IDs of flow logs that are there, all in one Region.
func (p *play) someIDs(most int) (ids []string) {
	all := p.here()
	p.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = oneRegion(all)
	for _, f := range all[:min(most, len(all))] {
		ids = append(ids, f.ID)
	}
	return ids
}

// attempt calls DeleteFlowLogs as a principal that AWS refuses, or as a dry run. Its record is in the queue at
// once.
func (p *play) attempt(ids []string, dry bool) {
	if len(ids) == 0 {
		return
	}
	by, where := p.eve, regionOf(p.known[ids[0]].resource)
	if dry {
		by = p.attacker
	}
	before := len(p.records)
	_, err := by.DeleteFlowLogs(context.Background(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids, DryRun: aws.Bool(dry)}, in(where))
	if err == nil {
		p.fail("an attempt deleted %v", ids)
	}
	for _, r := range p.records[before:] {
		p.must(p.world.Send(p.arn, r.body))
	}
	p.records = p.records[:before]
}

// tamper sends the record of a call that changes what flow logs depend on, each time with other parameters.
func (p *play) tamper(n int) {
	p.count++
	name := fmt.Sprintf("flood-%d", p.count)
	source, event, request := "s3.amazonaws.com", "PutBucketPolicy", fmt.Sprintf(`{"bucketName":"bucket-0","bucketPolicy":{"Id":%q}}`, name)
	switch n % 3 {
	case 1:
		source, event, request = "iam.amazonaws.com", "PutRolePolicy", fmt.Sprintf(`{"roleName":"delivery","policyName":%q}`, name)
	case 2:
		source, event, request = "logs.amazonaws.com", "PutRetentionPolicy", fmt.Sprintf(`{"logGroupName":"/vpc/flow-logs","retentionInDays":%d}`, 1+p.count%400)
	}
	p.sendForged(account, region, source, event, name, request, "null")
}

// pretendDeletion sends the record of a deletion that nobody made.
func (p *play) pretendDeletion(account, region string, ids []string) {
	p.count++
	list := make([]string, len(ids))
	for n, id := range ids {
		list[n] = fmt.Sprintf(`{"tag":%d,"content":%q}`, n+1, id)
	}
	p.sendForged(account, region, "ec2.amazonaws.com", "DeleteFlowLogs", fmt.Sprintf("flood-%d", p.count),
		`{"DeleteFlowLogsRequest":{"FlowLogId":[`+strings.Join(list, ",")+`]}}`, `{"DeleteFlowLogsResponse":{"unsuccessful":""}}`)
}

// sendForged sends a record that CloudTrail may never have written.
func (p *play) sendForged(account, region, source, event, id, request, response string) {
	p.must(p.world.Send(p.arn, fmt.Sprintf(`{"eventVersion":"1.10","eventTime":%q,"eventSource":%q,"eventName":%q,"awsRegion":%q,"recipientAccountId":%q,"eventID":%q,`+
		`"eventType":"AwsApiCall","eventCategory":"Management","userIdentity":{"type":"IAMUser","arn":%q,"accountId":%q,"userName":"eve"},"requestParameters":%s,"responseElements":%s}`,
		p.now.UTC().Format(time.RFC3339), source, event, region, account, id, strings.Replace(eve, "111122223333", account, 1), account, request, response)))
}
