package fakeaws

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// ec2Operation is one action of EC2.
type ec2Operation struct {
	// changes: EC2.Calls returns it and the trail records it, also a dry run and a
	// refused call.
	changes bool
	allowed []string // parameters, see UnknownParameter
	do      func(*ec2Scope, url.Values) (reply, error)
}

var ec2Operations = map[string]ec2Operation{
	"DescribeFlowLogs": {false, []string{"Filter.", "FlowLogId.", "MaxResults", "NextToken", "DryRun"}, (*ec2Scope).describeFlowLogs},
	"CreateFlowLogs": {true, []string{"ResourceId.", "ResourceType", "ClientToken", "DeliverCrossAccountRole", "DeliverLogsPermissionArn", "DestinationOptions.",
		"DryRun", "LogDestination", "LogDestinationType", "LogFormat", "LogGroupName", "MaxAggregationInterval", "TagFieldSpecification.", "TagSpecification.", "TrafficType"},
		(*ec2Scope).createFlowLogs},
	"DeleteFlowLogs":  {true, []string{"FlowLogId.", "DryRun"}, (*ec2Scope).deleteFlowLogs},
	"CreateTags":      {true, []string{"ResourceId.", "Tag.", "DryRun"}, (*ec2Scope).createTags},
	"DescribeRegions": {false, []string{"Filter.", "AllRegions", "RegionName.", "DryRun"}, (*ec2Scope).describeRegions},
}

// reply is what an operation answers: the XML inside its response element,
// and what its record says in addition to the request.
type reply struct {
	xml      string
	response map[string]any
	ids      []string
}

// ec2Service is EC2 as its own form of the query protocol shows it.
type ec2Service struct {
	Query
	*EC2
}

// Answer implements Service.
func (s ec2Service) Answer(out http.ResponseWriter, q *Request) error {
	rep, id, deliver, err := s.do(q)
	if deliver != nil {
		if err := deliver(); err != nil {
			panic("fakeaws: the trail's queue is gone: " + err.Error())
		}
	}
	if err == nil {
		writeXML(out, http.StatusOK, `<%[1]sResponse xmlns="%[2]s"><requestId>%[3]s</requestId>%[4]s</%[1]sResponse>`, q.Operation, s.Namespace, id, rep.xml)
	}
	return err
}

// Refuse implements Service.
func (ec2Service) Refuse(out http.ResponseWriter, _ *Request, e *Error) {
	writeXML(out, e.Status, `<Response><Errors><Error>%s</Error></Errors><RequestID>fake</RequestID></Response>`, Element("Code", e.Code)+Element("Message", e.Message))
}

// do does what a request asks for, and returns how its record is delivered; nil if
// there is none.
func (e *EC2) do(q *Request) (rep reply, requestID string, deliver func() error, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rep, err = e.try(q)
	n := e.serial.Add(1)
	requestID = fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n)
	if ec2Operations[q.Operation].changes {
		e.addCall(q, rep, err)
		deliver = e.trail.record(q, requestID, rep, err)
	}
	return rep, requestID, deliver, err
}

// try refuses a request, or does what it asks for.
func (e *EC2) try(q *Request) (reply, error) {
	if e.iam.isDenied(q.Caller, q.Operation) {
		return reply{}, unauthorized(q.Caller, "ec2:"+q.Operation)
	}
	operation, ok := ec2Operations[q.Operation]
	if !ok {
		return reply{}, Errorf("InvalidAction", "The action %s is not valid for this web service.", q.Operation)
	}
	if q.Operation == "CreateFlowLogs" {
		if err := e.checkPermissions(q); err != nil {
			return reply{}, err
		}
	}
	if name := UnknownParameter(q.Form, operation.allowed...); name != "" {
		return reply{}, Errorf("UnknownParameter", "The parameter %s is not recognized", name)
	}
	return operation.do(e.scope(q.Account, q.Region), q.Form)
}

func unauthorized(c Caller, action string) *Error {
	return Errorf("UnauthorizedOperation", "You are not authorized to perform this operation. User: %s is not authorized to perform: %s", c.ARN, action).
		WithStatus(http.StatusForbidden)
}

// dryRun ends a call that only asks whether it would be allowed.
func dryRun(form url.Values) error {
	if form.Get("DryRun") == "true" {
		return Errorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").WithStatus(http.StatusPreconditionFailed)
	}
	return nil
}

// deleteFlowLogs answers for each ID; unknown ones are unsuccessful.
func (s *ec2Scope) deleteFlowLogs(form url.Values) (reply, error) {
	ids := numbered(form, "FlowLogId")
	if len(ids) == 0 {
		return reply{}, Errorf("MissingParameter", "The request must contain the parameter FlowLogId")
	}
	if len(ids) > 1000 {
		return reply{}, Errorf("InvalidParameterValue", "at most 1000 flow log IDs")
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
		s.remove(f)
		gone = append(gone, id)
	}
	if len(gone) == 0 && len(ids) == 1 {
		return reply{}, Errorf(failed[0].code, "%s", failed[0].message)
	}
	return reply{xml: unsuccessfulXML(failed), response: map[string]any{"unsuccessful": unsuccessfulJSON(failed)}, ids: gone}, nil
}

// unsuccessful is one item that a call could not do.
type unsuccessful struct{ resource, code, message string }

func unsuccessfulXML(items []unsuccessful) string {
	var b strings.Builder
	for _, u := range items {
		b.WriteString("<item><error>" + Element("code", u.code) + Element("message", u.message) + "</error>" + Element("resourceId", u.resource) + "</item>")
	}
	return "<unsuccessful>" + b.String() + "</unsuccessful>"
}

// createTags of flow logs.
func (s *ec2Scope) createTags(form url.Values) (reply, error) {
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
			return reply{}, Errorf("InvalidID", "The ID '%s' is not valid", id)
		}
		f.Tags = maps.Clone(f.Tags)
		if f.Tags == nil {
			f.Tags = map[string]string{}
		}
		maps.Copy(f.Tags, tags)
	}
	return reply{xml: "<return>true</return>", response: map[string]any{"_return": true}}, nil
}

func (s *ec2Scope) describeRegions(url.Values) (reply, error) {
	var b strings.Builder
	for _, r := range s.regions {
		b.WriteString("<item>" + Element("regionName", r) + Element("regionEndpoint", "ec2."+r+".amazonaws.com") + Element("optInStatus", "opt-in-not-required") + "</item>")
	}
	return reply{xml: "<regionInfo>" + b.String() + "</regionInfo>"}, nil
}
