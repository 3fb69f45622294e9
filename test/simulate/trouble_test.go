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
)

// trouble is what the daemons' calls to one Region meet for long, each time
// again, until it is over.
type trouble struct {
	name       string
	operations []string // none: all
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

// hiding is the trouble in which creates say that the resource is not there, but
// never twice in a row to one incident of a daemon: then it would have to be believed.
const hiding = "hiding resources"

const daemonUser = "arn:aws:iam::" + account + ":user/flowkeeper"

// beginTrouble puts a Region into trouble, for some minutes or for up to a day.
func (p *play) beginTrouble() {
	t := troubles[p.random.IntN(len(troubles))]
	most := []time.Duration{20 * time.Minute, 2 * time.Hour, 24 * time.Hour}[p.random.IntN(3)]
	t.until = p.now.Add(time.Duration(p.random.Int64N(int64(most))))
	where := p.anyScope().Region
	p.troubles[where] = &t
	p.happened["trouble "+t.name]++
	p.say("  %s is %s for %s", where, t.name, t.until.Sub(p.now))
}

// endTrouble ends it.
func (p *play) endTrouble() { delete(p.troubles, p.anyScope().Region) }

// refusalFor is what a call meets; the world asks.
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

// lacksName reports whether a call is a daemon's create without the tag Name, where a policy demands that: all flow logs
// had it.
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

// troubleFor is what a call meets because of the trouble of its Region.
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

// hideResource answers in turn that a resource is not there, and that the rate is
// exceeded. A daemon that is about to die may forget the answer. While a command runs, its answers and
// the daemon's may reach the disk in any order.
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

// targetsOf are what a create is to make flow logs for: an incident may call for itself, and with
// others, by another token.
func targetsOf(form url.Values) (out []target) {
	for n := 1; form.Has(fmt.Sprintf("ResourceId.%d", n)); n++ {
		at := place{form.Get(fmt.Sprintf("ResourceId.%d", n)), form.Get("LogDestination") + form.Get("LogGroupName")}
		out = append(out, target{at, form.Get("TrafficType")})
	}
	return out
}

// createOf is the token of a request that makes a flow log. ok is false for another request, and for a
// dry run.
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

var codeIn = regexp.MustCompile(`(?i)<code>([^<]*)</code>`)

// answerOf is the code of an answer to a create; empty where it was made.
func answerOf(resp *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if m := codeIn.FindSubmatch(body); m != nil {
		return string(m[1])
	}
	return ""
}

// hangs lets a call's deadline pass.
func (p *play) hangs(left time.Duration) {
	left = left.Round(5 * time.Second) // the machine takes moments of its own
	p.now = p.now.Add(left)
	p.hung += left
}

// night passes slowly, while the daemons do what they can.
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

// rotate the daemons' access key: AWS refuses the old one from now on, and the
// new one is where they look for it, once more. Once in a play, and not when they have
// just looked because the source had noticed a mistake: between two looks lie some
// seconds, which are no play's.
func (p *play) rotate() {
	if p.happened["keys rotated"] > 0 || p.now.Sub(p.mixedUp) < time.Minute {
		return
	}
	p.world.RefuseKey(p.own.AccessKeyID, "AuthFailure", "AWS was not able to validate the provided access credentials")
	p.own, p.disturbed = p.world.User(account, "flowkeeper", true), p.now
	p.happened["keys rotated"]++
}
