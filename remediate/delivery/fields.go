package delivery

import (
	"strings"

	"flowkeeper/inventory"
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
