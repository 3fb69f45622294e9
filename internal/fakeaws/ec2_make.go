package fakeaws

import (
	"maps"
	"reflect"
	"strings"
)

// Token says what the call with a ClientToken made, and what it could not make. With the zero Token
// every call that uses the ClientToken is a mismatch.
type Token struct {
	params params
	made   map[string]string // flow logs, by resource
	failed []unsuccessful
}

// ids are the flow logs that the call made, in the order of the resources.
func (t Token) ids(resources []string) (ids []string) {
	for _, r := range resources {
		if id := t.made[r]; id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// createOnce creates, unless a call with the same ClientToken has made something: then it returns
// the first result again, even if those flow logs are gone by now, and tries only the resources
// that failed. A ClientToken that made nothing counts as not used.
func (s *Scope) createOnce(p params, proto FlowLog, resources []string) (Token, error) {
	name := p.text("ClientToken")
	t, used := s.Tokens[name]
	switch {
	case used && !reflect.DeepEqual(t.params, p):
		return Token{}, Errorf("IdempotentParameterMismatch", "The client token has been used with other parameters")
	case used && (len(t.failed) == 0 || s.ec2.settings.FirstAnswer):
		return t, nil
	}
	made, failed, err := s.createEach(proto, resources, t.made)
	if err != nil {
		return Token{}, err
	}
	t = Token{p, made, failed}
	if name != "" && len(made) > 0 {
		s.Tokens[name] = t
	}
	return t, nil
}

// createEach makes a flow log on each resource that has none in made, and returns made with
// the new ones. As in AWS, most failures are in unsuccessful, and their code says little, often
// "400".
func (s *Scope) createEach(proto FlowLog, resources []string, made map[string]string) (all map[string]string, failed []unsuccessful, err error) {
	if err := s.ec2.hooks.CheckTags(proto.Tags); err != nil {
		return nil, nil, err
	}
	var creates []FlowLog
	for _, id := range resources {
		if made[id] != "" {
			continue
		}
		if !s.Resources[id] {
			return nil, nil, Errorf(kindOf(id).missing, "The %s ID '%s' does not exist", strings.ToLower(kindOf(id).name), id)
		}
		f := proto
		f.ResourceID, f.CreatedAt, f.DeliverStatus = id, s.ec2.now(), "SUCCESS"
		f.Tags = maps.Clone(proto.Tags)
		refused, err := s.checkCreate(f)
		switch {
		case err != nil:
			return nil, nil, err
		case refused != nil:
			failed = append(failed, unsuccessful{refused.Code, refused.Message, id})
		default:
			creates = append(creates, f)
		}
	}
	all = map[string]string{}
	maps.Copy(all, made)
	for _, f := range creates {
		all[f.ResourceID] = s.Add(f)
	}
	return all, failed, nil
}

// checkCreate returns why a flow log can't be made; for the results see Hooks.CheckCreate.
func (s *Scope) checkCreate(f FlowLog) (unsuccessful *Error, err error) {
	bucket, _, _ := strings.Cut(f.LogDestination, "/")
	switch {
	case f.LogDestinationType == "s3" && !s.ec2.exists[bucket]:
		return Errorf("400", "LogDestination: %s does not exist", strings.TrimPrefix(bucket, "arn:aws:s3:::")), nil
	case f.LogDestinationType == "kinesis-data-firehose" && !s.ec2.exists[f.LogDestination]:
		return Errorf("400", "LogDestination: %s is undeliverable", f.LogDestination), nil
	case f.DeliverLogsPermissionARN != "" && !s.ec2.exists[f.DeliverLogsPermissionARN]:
		return Errorf("400", "Unable to assume given IAM role"), nil
	}
	var there []FlowLog
	for _, other := range s.byResource[f.ResourceID] {
		there = append(there, other.FlowLog)
	}
	return s.ec2.hooks.CheckCreate(f, there)
}
