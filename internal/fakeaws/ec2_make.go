package fakeaws

import (
	"cmp"
	"maps"
	"reflect"
	"strings"
	"time"
)

// Token is what a ClientToken made, and what it could not make. The zero Token was used for a
// call that no other call is equal to.
type Token struct {
	params params
	made   map[string]string // flow logs, by resource
	failed []unsuccessful
}

// ids are the flow logs that it made, in the order of the resources.
func (t Token) ids(resources []string) (ids []string) {
	for _, r := range resources {
		if id := t.made[r]; id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// createOnce creates, unless a call with the same ClientToken has: then it has the first
// result again, even if those flow logs are gone by now, and tries only the resources that
// failed. A token that made nothing is as good as new.
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

// createEach makes a flow log on each resource that has none in made, and returns all that
// are made. Real failures come back as unsuccessful, with a code that says little, often
// "400".
func (s *Scope) createEach(proto FlowLog, resources []string, made map[string]string) (all map[string]string, failed []unsuccessful, err error) {
	if err := s.ec2.settings.TagPolicy.check(proto.Tags); err != nil {
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
		code, message := s.refusal(f)
		switch {
		case code == alreadyExists && s.ec2.settings.ExistsFails:
			return nil, nil, Errorf(code, "%s", message)
		case code != "":
			failed = append(failed, unsuccessful{code, message, id})
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

const alreadyExists = "FlowLogAlreadyExists"

// refusal is why a flow log can't be created; without a code it can.
func (s *Scope) refusal(f FlowLog) (code, message string) {
	bucket, _, _ := strings.Cut(f.LogDestination, "/")
	switch {
	case f.LogDestinationType == "s3" && !s.ec2.exists[bucket]:
		return "400", "LogDestination: " + strings.TrimPrefix(bucket, "arn:aws:s3:::") + " does not exist"
	case f.LogDestinationType == "kinesis-data-firehose" && !s.ec2.exists[f.LogDestination]:
		return "400", "LogDestination: " + f.LogDestination + " is undeliverable"
	case f.DeliverLogsPermissionARN != "" && !s.ec2.exists[f.DeliverLogsPermissionARN]:
		return "400", "Unable to assume given IAM role"
	}
	there := s.byResource[f.ResourceID]
	for _, other := range there {
		if s.ec2.settings.Guard.refuses(f, other.FlowLog) {
			return alreadyExists, "Error. There is an existing Flow Log with the same configuration and log destination."
		}
	}
	if n := s.ec2.settings.Quota; n > 0 && len(there) >= n {
		return "FlowLogsLimitExceeded", "You have reached the maximum number of flow logs for " + f.ResourceID
	}
	r := s.ec2.refused[f.ResourceID]
	return r.Code, r.Message
}

// Guard is which flow logs of one resource can't stand side by side: AWS answers
// FlowLogAlreadyExists. What AWS compares is not known.
type Guard int

// Guards.
const (
	SameDestination   Guard = iota // those to one destination, as LocalStack has it
	SameConfiguration              // those that are equal but for tags
	NoGuard                        // none: even doubles are made
)

// refuses says whether a flow log can't be made while another one is on its resource.
func (g Guard) refuses(f, there FlowLog) bool {
	switch g {
	case SameDestination:
		return there.LogDestination == f.LogDestination && there.LogGroupName == f.LogGroupName
	case SameConfiguration:
		return reflect.DeepEqual(f.configuration(), there.configuration())
	case NoGuard:
	}
	return false
}

// configuration is the flow log with what its creator can set, but for tags, and with the
// defaults of what is not set.
func (f FlowLog) configuration() FlowLog {
	f.ID, f.Tags, f.CreatedAt, f.DeliverStatus, f.DeliverError = "", nil, time.Time{}, "", ""
	f.LogDestinationType = cmp.Or(f.LogDestinationType, "cloud-watch-logs")
	f.LogFormat = cmp.Or(f.LogFormat, defaultFormat)
	f.MaxAggregationInterval = cmp.Or(f.MaxAggregationInterval, 600)
	if f.LogDestinationType == "s3" {
		f.FileFormat = cmp.Or(f.FileFormat, "plain-text")
	}
	if len(f.TagFields) == 0 {
		f.TagFields = nil
	}
	return f
}
