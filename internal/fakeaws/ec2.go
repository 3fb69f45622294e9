package fakeaws

import (
	"fmt"
	"net/http"
)

// ec2Operation is one action of EC2.
type ec2Operation struct {
	// changes: Hooks.After is called with each call, and the trail records it, also if it
	// is a dry run or refused.
	changes bool
	allowed []string // parameters, see UnknownParameter
	do      func(*Scope, params) (reply, error)
}

var ec2Operations = map[string]ec2Operation{
	"DescribeFlowLogs": {false, []string{"Filter.", "FlowLogId.", "MaxResults", "NextToken", "DryRun"}, (*Scope).describeFlowLogs},
	"CreateFlowLogs": {true, []string{"ResourceId.", "ResourceType", "ClientToken", "DeliverCrossAccountRole", "DeliverLogsPermissionArn", "DestinationOptions.",
		"DryRun", "LogDestination", "LogDestinationType", "LogFormat", "LogGroupName", "MaxAggregationInterval", "TagFieldSpecification.", "TagSpecification.", "TrafficType"},
		(*Scope).createFlowLogs},
	"CreateTags":     {true, []string{"ResourceId.", "Tag.", "DryRun"}, (*Scope).createTags},
	"DeleteFlowLogs": {true, []string{"FlowLogId.", "DryRun"}, (*Scope).deleteFlowLogs},
	"DescribeTags":   {false, []string{"Filter.", "MaxResults", "NextToken", "DryRun"}, (*Scope).describeTags},
}

// reply is what an operation answers, and the flow logs that it made, deleted or tagged.
type reply struct {
	result interface {
		answers(namespace, requestID string)
	}
	ids []string
}

// answered is in every result.
type answered struct {
	Namespace string `xml:"xmlns,attr"`
	RequestID string `xml:"requestId"`
}

func (a *answered) answers(namespace, requestID string) {
	a.Namespace, a.RequestID = namespace, requestID
}

// otherResult is what Hooks.Other answers.
type otherResult struct {
	answered
	Elements string `xml:",innerxml"`
}

// ec2Service answers in EC2's own form of the query protocol.
type ec2Service struct {
	Query
	*EC2
}

// Answer implements Service.
func (s ec2Service) Answer(out http.ResponseWriter, q *Request) error {
	answer, deliver, err := s.do(q, s.Namespace)
	if deliver != nil {
		if err := deliver(); err != nil {
			panic("fakeaws: the trail's queue is gone: " + err.Error())
		}
	}
	if err == nil {
		writeXML(out, http.StatusOK, "%s", answer)
	}
	return err
}

// Refuse implements Service.
func (ec2Service) Refuse(out http.ResponseWriter, _ *Request, e *Error) {
	writeXML(out, e.Status, `<Response><Errors><Error>%s</Error></Errors><RequestID>fake</RequestID></Response>`, Element("Code", e.Code)+Element("Message", e.Message))
}

// do does what a request asks for. It returns the answer, and the function that delivers
// its record; nil if there is none.
func (e *EC2) do(q *Request, namespace string) (answer string, deliver func() error, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := parseParams(q.Form)
	rep, err := e.try(q, p)
	n := e.serial.Add(1)
	requestID := fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n)
	if err == nil {
		rep.result.answers(namespace, requestID)
		answer = Element(q.Operation+"Response", rep.result)
	}
	if ec2Operations[q.Operation].changes {
		e.hooks.After(q, rep.ids, err)
		deliver = e.trail.record(call{q, p, requestID, answer, err})
	}
	return answer, deliver, err
}

func (e *EC2) try(q *Request, p params) (reply, error) {
	s := e.scope(q.Account, q.Region)
	if err := e.hooks.Before(q); err != nil {
		return reply{}, err
	}
	for _, action := range append([]string{"ec2:" + q.Operation}, q.Permissions...) {
		if e.iam.IsDenied(q.Caller, action) {
			return reply{}, Errorf("UnauthorizedOperation", "You are not authorized to perform this operation. User: %s is not authorized to perform: %s", q.ARN, action).
				WithStatus(http.StatusForbidden)
		}
	}
	operation, ok := ec2Operations[q.Operation]
	if !ok {
		elements, err := e.hooks.Other(q)
		return reply{result: &otherResult{Elements: elements}}, err
	}
	if name := UnknownParameter(q.Form, operation.allowed...); name != "" {
		return reply{}, Errorf("UnknownParameter", "The parameter %s is not recognized", name)
	}
	return operation.do(s, p)
}

// dryRun returns the error that ends a dry run which AWS would allow.
func dryRun(p params) error {
	if p.text("DryRun") == "true" {
		return Errorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").WithStatus(http.StatusPreconditionFailed)
	}
	return nil
}

// unsuccessful is one item that a call could not do.
type unsuccessful struct {
	Code     string `xml:"error>code"`
	Message  string `xml:"error>message"`
	Resource string `xml:"resourceId"`
}

type deleteResult struct {
	answered
	Unsuccessful []unsuccessful `xml:"unsuccessful>item"`
}

// deleteFlowLogs answers for each ID; unknown ones are unsuccessful.
func (s *Scope) deleteFlowLogs(p params) (reply, error) {
	ids := numbered[string](p, "FlowLogId")
	if len(ids) == 0 {
		return reply{}, Errorf("MissingParameter", "The request must contain the parameter FlowLogId")
	}
	if len(ids) > 1000 {
		return reply{}, Errorf("InvalidParameterValue", "at most 1000 flow log IDs")
	}
	if err := dryRun(p); err != nil {
		return reply{}, err
	}
	var gone []string
	var failed []unsuccessful
	for _, id := range ids {
		if !s.Remove(id) {
			failed = append(failed, unsuccessful{"InvalidFlowLogId.NotFound", "These flow log ids in the input list are not found: [" + id + "]", id})
			continue
		}
		gone = append(gone, id)
	}
	if len(gone) == 0 && len(ids) == 1 {
		return reply{}, Errorf(failed[0].Code, "%s", failed[0].Message)
	}
	return reply{&deleteResult{Unsuccessful: failed}, gone}, nil
}
