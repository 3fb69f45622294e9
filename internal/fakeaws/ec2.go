package fakeaws

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// operations that change something: they are in the ledger and on the trail,
// dry runs and refused ones too (aws-facts.md, "A DryRun call is recorded").
var changing = map[string]bool{"CreateFlowLogs": true, "DeleteFlowLogs": true, "CreateTags": true}

// reply is what an operation answers: the XML inside its response element,
// and what its record says beside the request.
type reply struct {
	xml      string
	response map[string]any
	ids      []string
}

// serveEC2 answers one EC2 call.
func (w *World) serveEC2(out http.ResponseWriter, operation string, form url.Values, c caller) {
	w.mu.Lock()
	rep, err := w.ec2(operation, form, c)
	w.lastID++
	id := requestID(w.lastID)
	var body string
	if changing[operation] {
		w.note(operation, form, c, rep, err)
		body = w.record(operation, form, c, id, rep, err)
	}
	w.mu.Unlock()
	if body != "" {
		if err := w.emit(body); err != nil {
			panic("fakeaws: the trail's queue is gone: " + err.Error())
		}
	}
	if err != nil {
		writeQueryError(out, "ec2", err)
		return
	}
	out.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	fmt.Fprintf(out, `<%[1]sResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>%[2]s</requestId>%[3]s</%[1]sResponse>`, operation, id, rep.xml)
}

func requestID(n uint64) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n) }

func (w *World) ec2(operation string, form url.Values, c caller) (reply, error) {
	if w.isDenied(c, operation) {
		return reply{}, &ec2Error{"UnauthorizedOperation", "You are not authorized to perform this operation. User: " + c.ARN +
			" is not authorized to perform: ec2:" + operation, http.StatusForbidden}
	}
	s := w.scope(c.Account, c.Region)
	switch operation {
	case "DescribeFlowLogs":
		return w.describeFlowLogs(s, form)
	case "CreateFlowLogs":
		if err := w.parts(c, form); err != nil {
			return reply{}, err
		}
		return w.createFlowLogs(s, form)
	case "DeleteFlowLogs":
		return w.deleteFlowLogs(s, form)
	case "CreateTags":
		return w.createTags(s, form)
	case "DescribeRegions":
		return w.describeRegions(form)
	}
	return reply{}, refusal("InvalidAction", "The action %s is not valid for this web service.", operation)
}

// note writes the ledger.
func (w *World) note(operation string, form url.Values, c caller, rep reply, err error) {
	call := Call{Time: w.now(), Operation: operation, Account: c.Account, Region: c.Region, ARN: c.ARN, Form: form, IDs: rep.ids, DryRun: form.Get("DryRun") == "true"}
	if e, ok := err.(*ec2Error); ok {
		call.Code = e.code
	}
	w.ledger = append(w.ledger, call)
}

// dryRun ends a call that only asks whether it would be allowed.
func dryRun(form url.Values) error {
	if form.Get("DryRun") == "true" {
		return &ec2Error{"DryRunOperation", "Request would have succeeded, but DryRun flag is set.", http.StatusPreconditionFailed}
	}
	return nil
}

// deleteFlowLogs answers for each ID; unknown ones are unsuccessful.
func (w *World) deleteFlowLogs(s *ec2Scope, form url.Values) (reply, error) {
	if err := only(form, "FlowLogId.", "DryRun"); err != nil {
		return reply{}, err
	}
	ids := numbered(form, "FlowLogId")
	if len(ids) == 0 {
		return reply{}, refusal("MissingParameter", "The request must contain the parameter FlowLogId")
	}
	if len(ids) > 1000 {
		return reply{}, refusal("InvalidParameterValue", "at most 1000 flow log IDs")
	}
	if err := dryRun(form); err != nil {
		return reply{}, err
	}
	var gone []string
	var failed []unsuccessful
	for _, id := range ids {
		f := s.byID[id]
		if f == nil {
			failed = append(failed, unsuccessful{id, "InvalidFlowLogId.NotFound", "These flow log ids in the input list are not found: [" + id + "]"})
			continue
		}
		s.remove(f, w.now())
		gone = append(gone, id)
	}
	if len(gone) == 0 && len(ids) == 1 {
		return reply{}, refusal(failed[0].code, "%s", failed[0].message)
	}
	return reply{xml: unsuccessfulXML(failed), response: map[string]any{"unsuccessful": unsuccessfulJSON(failed)}, ids: gone}, nil
}

// unsuccessful is one item that a call could not do.
type unsuccessful struct{ resource, code, message string }

func unsuccessfulXML(items []unsuccessful) string {
	var b strings.Builder
	b.WriteString("<unsuccessful>")
	for _, u := range items {
		fmt.Fprintf(&b, "<item><error><code>%s</code><message>%s</message></error><resourceId>%s</resourceId></item>", escape(u.code), escape(u.message), escape(u.resource))
	}
	b.WriteString("</unsuccessful>")
	return b.String()
}

// createTags of flow logs.
func (w *World) createTags(s *ec2Scope, form url.Values) (reply, error) {
	if err := only(form, "ResourceId.", "Tag.", "DryRun"); err != nil {
		return reply{}, err
	}
	tags := tagsOf(form)
	if err := checkTags(tags); err != nil {
		return reply{}, err
	}
	if err := dryRun(form); err != nil {
		return reply{}, err
	}
	for _, id := range numbered(form, "ResourceId") {
		f := s.byID[id]
		if f == nil {
			return reply{}, refusal("InvalidID", "The ID '%s' is not valid", id)
		}
		f.Tags = maps.Clone(f.Tags)
		if f.Tags == nil {
			f.Tags = map[string]string{}
		}
		maps.Copy(f.Tags, tags)
	}
	return reply{xml: "<return>true</return>", response: map[string]any{"_return": true}}, nil
}

func (w *World) describeRegions(form url.Values) (reply, error) {
	if err := only(form, "Filter.", "AllRegions", "RegionName.", "DryRun"); err != nil {
		return reply{}, err
	}
	var b strings.Builder
	b.WriteString("<regionInfo>")
	for _, r := range w.regions {
		fmt.Fprintf(&b, "<item><regionName>%[1]s</regionName><regionEndpoint>ec2.%[1]s.amazonaws.com</regionEndpoint><optInStatus>opt-in-not-required</optInStatus></item>", escape(r))
	}
	b.WriteString("</regionInfo>")
	return reply{xml: b.String()}, nil
}
