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
