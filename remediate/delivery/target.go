package delivery

import (
	"cmp"
	"strings"

	"flowkeeper/inventory"
)

// Target is what the restores of many flow logs depend on alike: where they
// deliver to, with which roles, and which permissions AWS asks for because of
// what they record. The state file has it as JSON, which must not change where
// nothing more is needed.
type Target struct {
	Type, Destination, Role, CrossAccountRole string
	Fields
}

// TargetOf a flow log.
func TargetOf(f inventory.FlowLog) Target {
	return Target{f.LogDestinationType, f.Destination(f.Scope), f.DeliverLogsPermissionARN, f.DeliverCrossAccountRole, FieldsOf(f.Settings)}
}

// Compare orders targets, those of one destination together.
func (t Target) Compare(u Target) int {
	return cmp.Or(strings.Compare(t.Destination, u.Destination), strings.Compare(t.Role, u.Role),
		strings.Compare(t.CrossAccountRole, u.CrossAccountRole), strings.Compare(t.Type, u.Type), t.Fields.compare(u.Fields))
}

// Keys are those of the resources that the target names.
func (t Target) Keys() (out []ResourceKey) {
	for _, arn := range []string{t.Destination, t.Role, t.CrossAccountRole} {
		if k := KeyOf(arn); k != "" {
			out = append(out, k)
		}
	}
	return out
}

// Use is what a resource of the target is to its flow logs.
func (t Target) Use(k ResourceKey) string {
	switch k {
	case KeyOf(t.Destination):
		return DestinationUse
	case KeyOf(t.Role):
		return RoleUse
	}
	return CrossRoleUse
}

// What a resource may be to flow logs.
const (
	DestinationUse = "the destination"
	RoleUse        = "the delivery role"
	CrossRoleUse   = "the cross-account role"
)

// Fields are the kinds of fields in a flow log's records for which AWS asks its
// creator for more permissions. They are few, so that the rehearsals are few,
// however many formats and tag keys somebody makes up.
type Fields struct {
	ECS       bool `json:",omitempty"` // of Amazon ECS: `${ecs-…}` in the format
	EC2Tags   bool `json:",omitempty"` // tags of instances and network interfaces
	GroupTags bool `json:",omitempty"` // tags of Auto Scaling groups
	OtherTags bool `json:",omitempty"` // tags of what AWS has added since
}

// FieldsOf a flow log's settings.
func FieldsOf(s inventory.Settings) (f Fields) {
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

// FieldKinds says in words what they are; empty for none.
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
