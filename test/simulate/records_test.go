package simulate

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"flowkeeper/internal/fakeaws"
)

// record is a record of CloudTrail that has not reached the queue yet.
type record struct {
	body    string
	event   string
	deleted []string
	tamper  bool
}

// recorded takes a record from CloudTrail.
func (p *play) recorded(body string) error {
	var e struct {
		Detail struct {
			EventID string `json:"eventID"`
		} `json:"detail"`
	}
	p.must(json.Unmarshal([]byte(body), &e))
	r := record{body: body, event: e.Detail.EventID}
	p.records = append(p.records, r)
	if p.filing != nil {
		p.unfiled = append(p.unfiled, r)
	}
	return nil
}

// send sends any record to the queue. again: it keeps the record, to send it once more.
func (p *play) send(again bool) {
	if len(p.records) == 0 {
		return
	}
	n := p.random.IntN(len(p.records))
	if again {
		r := p.records[n]
		p.must(p.world.Send(p.arn, r.body))
		p.sent = append(p.sent, r)
		return
	}
	p.sendNth(n)
}

// sendNth sends one record to the queue.
func (p *play) sendNth(n int) {
	r := p.records[n]
	p.must(p.world.Send(p.arn, r.body))
	p.sent = append(p.sent, r)
	p.records = slices.Delete(p.records, n, n+1)
}

func (p *play) loseRecord() {
	if len(p.records) > 0 {
		n := p.random.IntN(len(p.records))
		if p.filing == nil { // else a log file brings the record
			for _, id := range p.records[n].deleted {
				p.noteUnrecorded(id)
			}
		}
		p.records = slices.Delete(p.records, n, n+1)
	}
}

// noteUnrecorded notes a flow log whose deletion has no record.
func (p *play) noteUnrecorded(id string) {
	p.unrecorded[id] = true
	if _, ok := p.releases[id]; ok { // the time of its deletion is not known
		p.released[p.known[id]] = true
	}
}

// forge sends a record of a deletion that nobody made: of a flow log that is alive, or does not exist, with a new
// event ID or that of a true record. Where AWS allows doubles, it names no flow log so young that a
// DescribeFlowLogs may not show it: nothing could tell the lie from the truth.
func (p *play) forge() {
	id := fmt.Sprintf("fl-%017x", 0xf0e0000+p.random.IntN(3))
	all := slices.DeleteFunc(p.here(), func(f fakeaws.FlowLog) bool { return p.allowsDoubles && p.now.Sub(f.CreatedAt) < 2*stalest })
	if len(all) > 0 && p.random.IntN(3) > 0 {
		id = all[p.random.IntN(len(all))].ID
	}
	p.count++
	event := fmt.Sprintf("forged-%d", p.count)
	if len(p.records) > 0 && p.random.IntN(2) == 0 {
		event = p.records[p.random.IntN(len(p.records))].event
	}
	by := []string{"arn:aws:iam::" + account + ":user/nobody", terraform, robot, janitor}[p.random.IntN(4)]
	if by == janitor && p.decoyed()[p.known[id].place] {
		by = terraform // else a rule would ignore the loss of a flow log whose place a decoy takes
	}
	if by == janitor {
		p.blamedOnJanitor[id] = true
	}
	at := p.now.Add(-time.Duration(p.random.IntN(3)) * time.Hour)
	p.forgedDeleters[id] = append(p.forgedDeleters[id], act{by: by, at: at})
	p.say("  forge %s of %s by %s at %s", event, id, by, at.Format(time.TimeOnly))
	p.must(p.world.Send(p.arn, fmt.Sprintf(`{"eventVersion":"1.10","eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","awsRegion":%q,
		"recipientAccountId":%q,"eventID":%q,"userIdentity":{"type":"IAMUser","arn":%q},
		"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":%q}}},"responseElements":{}}`,
		at.Format(time.RFC3339), regionOf(p.known[id].resource), account, event, by, id)))
}

// stopTrail adds the record of a StopLogging call. In the simulation records go on all the same.
func (p *play) stopTrail() {
	p.count++
	event := fmt.Sprintf("stopped-%d", p.count)
	p.records = append(p.records, record{event: event, tamper: true, body: fmt.Sprintf(`{"eventVersion":"1.10","eventTime":%q,"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":%q,
		"recipientAccountId":%q,"eventID":%q,"userIdentity":{"type":"IAMUser","arn":%q},"requestParameters":{"name":%q},"responseElements":null}`,
		p.now.Format(time.RFC3339), region, account, event, terraform, event)})
}
