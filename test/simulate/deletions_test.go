package simulate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/inventory"
)

// deleteSome deletes up to n flow logs of one Region in one call, perhaps with the ID of one that does not exist.
func (p *play) deleteSome(by *ec2.Client, n int) {
	all := p.here()
	where := []target{}
	p.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = oneRegion(all)
	var ids []string
	for _, f := range all[:min(n, len(all))] {
		ids, where = append(ids, f.ID), append(where, targetOf(f))
	}
	if len(ids) == 0 {
		return
	}
	gone := slices.Clone(ids)
	if n > 1 && p.random.IntN(3) == 0 {
		ids = append(ids, fmt.Sprintf("fl-%017x", 0xdead0000+p.random.IntN(3)))
	}
	p.say("  delete %v at %v", ids, where)
	p.delete(by, ids, gone)
}

// deleteRepeatedly deletes the flow log at one target, and then its replacements, seven times. Each record is
// received, and there is time for each restore.
func (p *play) deleteRepeatedly() {
	all := p.here()
	if len(all) == 0 {
		return
	}
	at := targetOf(all[p.random.IntN(len(all))])
	for range 7 {
		p.check()
		for _, f := range p.here() {
			if targetOf(f) == at {
				p.say("  delete %s at %v", f.ID, at)
				p.delete(p.attacker, []string{f.ID}, []string{f.ID})
				break
			}
		}
		for range 2 {
			p.send(false)
		}
		for _, d := range p.daemons {
			d.alive()
			d.receive()
			d.step(inventory.Scope{Account: account, Region: regionOf(at.resource)})
		}
		p.pass(time.Duration(p.random.Int64N(int64(time.Minute))))
	}
}

// delete calls DeleteFlowLogs with IDs, of which those in gone exist.
func (p *play) delete(by *ec2.Client, ids, gone []string) {
	before := len(p.records)
	_, err := by.DeleteFlowLogs(context.Background(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids}, in(regionOf(p.known[gone[0]].resource)))
	p.must(err)
	for _, id := range gone {
		p.deleters[id] = append(p.deleters[id], act{by: p.who[by], at: p.now})
	}
	p.records[before].deleted = gone
	p.deleted[p.records[before].event] = gone
	p.noteReleased(gone)
}

// noteReleased notes which of the flow logs that are deleted now are released.
func (p *play) noteReleased(ids []string) {
	for _, id := range ids {
		at := p.now.Truncate(time.Second) // as CloudTrail has it
		if r, ok := p.releases[id]; ok && !at.Before(r[0].Truncate(time.Second)) && at.Before(r[1]) {
			p.released[p.known[id]] = true
		}
	}
}

// deleteAll deletes all flow logs at the end of a play: whatever happened before must not hide a later deletion.
func (p *play) deleteAll() {
	ids := map[string][]string{} // by Region
	for _, f := range p.here() {
		r := regionOf(f.ResourceID)
		ids[r] = append(ids[r], f.ID)
	}
	p.pass(time.Hour) // no release lasts as long
	for _, r := range p.regions {
		if len(ids[r]) > 0 {
			p.say("delete all that is left: %v", ids[r])
			p.delete(p.attacker, ids[r], ids[r])
		}
	}
}

// teardown deletes a VPC. AWS removes its flow logs without a record of them.
func (p *play) teardown() {
	if all := p.here(); len(all) > 4 {
		f := all[p.random.IntN(len(all))]
		p.tornDown[f.ResourceID] = true
		p.world.RemoveResource(account, regionOf(f.ResourceID), f.ResourceID)
		p.say("  tear down %s", f.ResourceID)
		p.count++
		event := fmt.Sprintf("torn-%d", p.count)
		p.records = append(p.records, record{event: event, body: fmt.Sprintf(`{"eventVersion":"1.10","eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"DeleteVpc","awsRegion":%q,
			"recipientAccountId":%q,"eventID":%q,"requestParameters":{"vpcId":%q},"responseElements":{"_return":true}}`, p.now.Format(time.RFC3339), regionOf(f.ResourceID), account, event, f.ResourceID)})
	}
}
