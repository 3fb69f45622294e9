package simulate

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/incident"
)

// trouble is a fault that all calls of the daemons to one Region meet until it is over, if they are among its
// operations.
type trouble struct {
	name       string
	operations []string // empty: all
	refusal    fakeawstest.Refusal
	until      time.Time
}

// troubles that a Region can be in.
var troubles = []trouble{
	{name: "refused", refusal: fakeawstest.Refusal{Code: "UnauthorizedOperation", Status: 403,
		Message: "You are not authorized to perform this operation. User: " + daemonUser + " is not authorized to perform this with an explicit deny in a service control policy"}},
	{name: "creates throttled", operations: []string{"CreateFlowLogs"}, refusal: fakeawstest.Refusal{Code: "RequestLimitExceeded", Status: 503, Message: "Request limit exceeded."}},
	{name: "throttled", refusal: fakeawstest.Refusal{Code: "RequestLimitExceeded", Status: 503, Message: "Request limit exceeded."}},
	{name: "hanging", refusal: fakeawstest.Refusal{Hangs: true}},
	{name: "creates aborted", operations: []string{"CreateFlowLogs"}, refusal: fakeawstest.Refusal{Code: "OperationAborted", Status: 409,
		Message: "A conflicting conditional operation is currently in progress against this resource. Please try again."}},
	{name: "role not there", operations: []string{"CreateFlowLogs"}, refusal: fakeawstest.Refusal{Code: "IncorrectState", Message: "The Service Linked Role is not yet available."}},
	{name: "existing already", operations: []string{"CreateFlowLogs"}, refusal: fakeawstest.Refusal{Code: "FlowLogAlreadyExists",
		Message: "Error. There is an existing Flow Log with the same configuration and log destination."}},
	{name: hiding, operations: []string{"CreateFlowLogs"}, refusal: fakeawstest.Refusal{Code: "InvalidVpcID.NotFound", Message: "The vpc ID does not exist"}},
}

// hiding is the trouble in which creates say that the resource is not there. It never does that twice in a row for
// one target and daemon, because the daemon would have to believe the second answer.
const hiding = "hiding resources"

const daemonUser = "arn:aws:iam::" + account + ":user/flowkeeper"

// beginTrouble begins the trouble of a Region, for some minutes or for up to a day.
func (p *play) beginTrouble() {
	t := troubles[p.random.IntN(len(troubles))]
	most := []time.Duration{20 * time.Minute, 2 * time.Hour, 24 * time.Hour}[p.random.IntN(3)]
	t.until = p.now.Add(time.Duration(p.random.Int64N(int64(most))))
	where := p.anyScope().Region
	p.troubles[where] = &t
	p.happened["trouble "+t.name]++
	p.say("  %s is %s for %s", where, t.name, t.until.Sub(p.now))
}

// endTrouble ends the trouble of a Region.
func (p *play) endTrouble() { delete(p.troubles, p.anyScope().Region) }

// refusalFor is how a call fails; zero: it does not. The world asks before each call.
func (p *play) refusalFor(q *fakeaws.Request) fakeawstest.Refusal {
	r := p.troubleFor(q)
	if r == (fakeawstest.Refusal{}) && p.lacksName(q) {
		p.happened["creates refused for a tag"]++
		r = fakeawstest.Refusal{Code: "UnauthorizedOperation", Status: 403, Message: "You are not authorized to perform this operation. User: " + daemonUser +
			" is not authorized to perform: ec2:CreateFlowLogs with an explicit deny in a service control policy"}
	}
	if r == (fakeawstest.Refusal{}) {
		p.stealToken(q)
	}
	return r
}

// lacksName reports whether a call is a daemon's create without the tag Name, in a play whose policy demands that
// tag. All flow logs had the tag.
func (p *play) lacksName(q *fakeaws.Request) bool {
	if !p.demandsName || q.ARN != daemonUser || q.Operation != "CreateFlowLogs" || q.Form.Get("DryRun") == "true" {
		return false
	}
	for key := range q.Form {
		if strings.HasPrefix(key, "TagSpecification.") && q.Form.Get(key) == "Name" {
			return false
		}
	}
	return true
}

// troubleFor is how a call fails because of the trouble of its Region.
func (p *play) troubleFor(q *fakeaws.Request) fakeawstest.Refusal {
	t := p.troubles[q.Region]
	if t == nil || q.Service != "ec2" || q.ARN != daemonUser || len(t.operations) > 0 && !slices.Contains(t.operations, q.Operation) {
		return fakeawstest.Refusal{}
	}
	if !p.now.Before(t.until) {
		delete(p.troubles, q.Region)
		return fakeawstest.Refusal{}
	}
	if t.name == hiding {
		return p.hideResource(p.calling, q.Form, t.refusal)
	}
	return t.refusal
}

// hideResource answers creates for a target in turn with "the resource is not there" and "the rate is exceeded". If
// the daemon is about to die, it may forget the answer, so the next one is "the rate is exceeded" again. The same
// while a command runs: its answers and the daemon's may reach the disk in any order.
func (p *play) hideResource(d *daemon, form url.Values, gone fakeawstest.Refusal) fakeawstest.Refusal {
	if form.Get("DryRun") == "true" {
		return fakeawstest.Refusal{}
	}
	of := targetsOf(form)
	said := slices.ContainsFunc(of, func(x target) bool { return d.hidden[x] })
	for _, x := range of {
		d.hidden[x] = !said || d.edgesLeft >= 0 || p.commanding
	}
	if !said {
		return gone
	}
	return fakeawstest.Refusal{Code: "RequestLimitExceeded", Status: 503, Message: "Request limit exceeded."}
}

// targetsOf are the targets of a create. The trouble that hides resources counts by target, because an incident may
// be in a call of its own and in a shared one, which have different tokens.
func targetsOf(form url.Values) (out []target) {
	for n := 1; form.Has(fmt.Sprintf("ResourceId.%d", n)); n++ {
		at := place{form.Get(fmt.Sprintf("ResourceId.%d", n)), form.Get("LogDestination") + form.Get("LogGroupName")}
		out = append(out, target{at, form.Get("TrafficType")})
	}
	return out
}

// createOf is the ClientToken of a create. ok is false for any other request, and for a dry run.
func createOf(r *http.Request) (token string, ok bool) {
	if !strings.HasPrefix(r.URL.Host, "ec2.") || r.Body == nil {
		return "", false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "CreateFlowLogs" || form.Get("DryRun") == "true" {
		return "", false
	}
	return form.Get("ClientToken"), true
}

var (
	codeIn = regexp.MustCompile(`(?i)<code>([^<]*)</code>`)
	idsIn  = regexp.MustCompile(`fl-[0-9a-f]+`)
)

// answerOf returns the error code of an answer to a create, or, if it succeeded, the IDs of the flow logs.
func answerOf(resp *http.Response, err error) (code string, ids []string) {
	if err != nil {
		return err.Error(), nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error(), nil
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if m := codeIn.FindSubmatch(body); m != nil {
		return string(m[1]), nil
	}
	return "", idsIn.FindAllString(string(body), -1)
}

// noteMade notes that a call of the daemon has made flow logs, and in place of which. A call that repeats another one makes
// none. The daemon may die before it gets the answer.
func (d *daemon) noteMade(ids []string) {
	for _, f := range d.p.here() {
		if _, repeats := d.p.maker[f.ID]; !repeats && slices.Contains(ids, f.ID) {
			d.p.maker[f.ID] = maker{d, f.Tags[incident.RestoredFrom]}
		}
	}
}

// maker says which daemon has made a flow log, in place of which lost one.
type maker struct {
	by   *daemon
	lost string
}

// hangs lets time pass until the deadline of a call that hangs.
func (p *play) hangs(left time.Duration) {
	left = left.Round(5 * time.Second) // real time has passed, too, and would make plays differ
	p.now = p.now.Add(left)
	p.hung += left
}

// night lets up to a day pass in six parts, with one turn of a daemon after each.
func (p *play) night() {
	for range 6 {
		p.pass(time.Duration(p.random.Int64N(int64(4 * time.Hour))))
		d := p.anyDaemon()
		d.receive()
		for _, s := range p.scopes() {
			d.refresh(s)
			d.step(s)
		}
		d.deliver()
	}
}

// rotate gives the daemons a new access key; AWS refuses the old one from now on. It happens once in a play, and not within
// a minute after the credentials were mixed up or set right: a daemon loads credentials again only some seconds after it
// last did, and until then its calls would fail without a fault.
func (p *play) rotate() {
	if p.happened["keys rotated"] > 0 || p.now.Sub(p.mixedUp) < time.Minute {
		return
	}
	p.world.RefuseKey(p.own.AccessKeyID, "AuthFailure", "AWS was not able to validate the provided access credentials")
	p.own, p.disturbed = p.world.User(account, "flowkeeper", true), p.now
	p.happened["keys rotated"]++
}
