package exportfile

import (
	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// FlowLog is one flow log of the snapshot, as a line of an export and wherever commands
// print one as JSON. That is a public contract: names and meanings stay, what is not
// known is absent, times are RFC 3339 in UTC with milliseconds.
type FlowLog struct {
	FlowLogID     string          `json:"flow_log_id"`
	RootFlowLogID string          `json:"root_flow_log_id,omitempty"`
	Account       string          `json:"account"`
	Region        string          `json:"region"`
	ResourceID    string          `json:"resource_id,omitempty"` // instead of the settings' own
	State         inventory.State `json:"state"`
	Protected     bool            `json:"protected"`
	Held          bool            `json:"held,omitempty"`       // not protected: nobody has approved where it delivers
	Restorable    *bool           `json:"restorable,omitempty"` // according to the last rehearsal
	ReleasedUntil alert.Time      `json:"released_until,omitzero"`
	NewFlowLogID  string          `json:"new_flow_log_id,omitempty"` // its replacement
	inventory.Settings
	CreatedBy   string     `json:"created_by,omitempty"`
	FirstSeenAt alert.Time `json:"first_seen_at,omitzero"`
	LastSeenAt  alert.Time `json:"last_seen_at,omitzero"`
}

// New is a row as FlowLog. Restorable and NewFlowLogID are left to the caller.
func New(r inventory.Row) FlowLog {
	return FlowLog{
		FlowLogID: r.ID, RootFlowLogID: r.RootID, Account: r.Scope.Account, Region: r.Scope.Region,
		ResourceID: r.ResourceID, State: r.State, Protected: r.Protected, Held: r.Held, ReleasedUntil: alert.Time{Time: r.ReleasedUntil},
		Settings: r.Settings, CreatedBy: r.CreatedBy, FirstSeenAt: alert.Time{Time: r.FirstSeenAt}, LastSeenAt: alert.Time{Time: r.LastSeenAt},
	}
}

// settings are those of the object, as the snapshot keeps them.
func (f FlowLog) settings() inventory.Settings {
	f.Settings.ResourceID = f.ResourceID
	return f.Settings
}
