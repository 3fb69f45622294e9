package delivery

import (
	"cmp"
	"strings"

	"flowkeeper/inventory"
)

// Target is what the restores of several flow logs have in common: the destination, the
// roles, and the kinds of fields for which AWS requires permissions. The state file has it
// as JSON. A new field must be omitted if it is empty, so that the JSON of the others does
// not change.
type Target struct {
	Type, Destination, Role, CrossAccountRole string
	Fields
}

// TargetOf is the target of a flow log.
func TargetOf(f inventory.FlowLog) Target {
	return Target{f.LogDestinationType, f.Destination(f.Scope), f.DeliverLogsPermissionARN, f.DeliverCrossAccountRole, fieldsOf(f.Settings)}
}

// Compare orders targets by destination first.
func (t Target) Compare(u Target) int {
	return cmp.Or(strings.Compare(t.Destination, u.Destination), strings.Compare(t.Role, u.Role),
		strings.Compare(t.CrossAccountRole, u.CrossAccountRole), strings.Compare(t.Type, u.Type), t.Fields.compare(u.Fields))
}

// Keys are the keys of the resources that the target names.
func (t Target) Keys() (out []ResourceKey) {
	for _, arn := range []string{t.Destination, t.Role, t.CrossAccountRole} {
		if k := KeyOf(arn); k != "" {
			out = append(out, k)
		}
	}
	return out
}

// Use says what the flow logs use a resource of the target as; k is one of its Keys.
func (t Target) Use(k ResourceKey) string {
	switch k {
	case KeyOf(t.Destination):
		return DestinationUse
	case KeyOf(t.Role):
		return RoleUse
	}
	return CrossRoleUse
}

// A flow log uses a resource as one of these.
const (
	DestinationUse = "the destination"
	RoleUse        = "the delivery role"
	CrossRoleUse   = "the cross-account role"
)

// Fields are the kinds of fields in a flow log's records for which AWS requires more
// permissions of the one who creates the flow log. There are few kinds, however many
// formats and tag keys exist, so that there are few rehearsals.
type Fields struct {
	ECS       bool `json:",omitempty"` // of Amazon ECS: `${ecs-…}` in the format
	EC2Tags   bool `json:",omitempty"` // tags of instances and network interfaces
	GroupTags bool `json:",omitempty"` // tags of Auto Scaling groups
	OtherTags bool `json:",omitempty"` // tags of other types of resources
}

// fieldsOf are the kinds of fields that a flow log's settings ask for.
func fieldsOf(s inventory.Settings) (f Fields) {
	f.ECS = strings.Contains(s.LogFormat, "ecs-")
	for _, t := range s.TagFieldSpecifications {
		switch t.ResourceType {
		case "instance", "network-interface":
			f.EC2Tags = true
		case "auto-scaling-group":
			f.GroupTags = true
		default:
			f.OtherTags = true
		}
	}
	return f
}

// Tags reports whether there are fields of tags.
func (f Fields) Tags() bool { return f.EC2Tags || f.GroupTags || f.OtherTags }

// FieldKinds names the kinds, separated by commas; empty if there are none.
func (f Fields) FieldKinds() string {
	var out []string
	for _, kind := range []struct {
		there bool
		name  string
	}{{f.ECS, "ECS fields"}, {f.EC2Tags, "EC2 tags"}, {f.GroupTags, "Auto Scaling tags"}, {f.OtherTags, "other tags"}} {
		if kind.there {
			out = append(out, kind.name)
		}
	}
	return strings.Join(out, ", ")
}

func (f Fields) compare(g Fields) int { return strings.Compare(f.FieldKinds(), g.FieldKinds()) }
