package delivery

import (
	"cmp"
	"strings"

	"flowkeeper/inventory"
)

// Needs are what the restores of many flow logs depend on alike: where they
// deliver to, with which roles, and which permissions AWS asks for because of
// what they record. The state file has it as JSON, which must not change where
// nothing more is needed.
type Needs struct {
	Type, Destination, Role, CrossAccountRole string
	Fields
}

// NeedsOf a flow log.
func NeedsOf(f inventory.FlowLog) Needs {
	return Needs{f.LogDestinationType, f.Destination(f.Scope), f.DeliverLogsPermissionARN, f.DeliverCrossAccountRole, FieldsOf(f.Settings)}
}

// Compare orders needs, those of one destination together.
func (n Needs) Compare(m Needs) int {
	return cmp.Or(strings.Compare(n.Destination, m.Destination), strings.Compare(n.Role, m.Role),
		strings.Compare(n.CrossAccountRole, m.CrossAccountRole), strings.Compare(n.Type, m.Type), n.Fields.compare(m.Fields))
}

// Things are what the needs name.
func (n Needs) Things() (out []Thing) {
	for _, arn := range []string{n.Destination, n.Role, n.CrossAccountRole} {
		if t := ThingOf(arn); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// Use is what a thing is to flow logs with these needs.
func (n Needs) Use(t Thing) string {
	switch t {
	case ThingOf(n.Destination):
		return DestinationUse
	case ThingOf(n.Role):
		return RoleUse
	}
	return CrossRoleUse
}

// What a thing may be to flow logs.
const (
	DestinationUse = "the destination"
	RoleUse        = "the delivery role"
	CrossRoleUse   = "the cross-account role"
)
