package exportfile

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// FlowLog is one flow log of the snapshot, as a line of an export and wherever commands
// print one as JSON. That is a public contract: names and meanings stay, what is not
// known is absent, times are RFC 3339 in UTC with milliseconds.
type FlowLog struct {
	FlowLogID     string          `json:"flow_log_id"`
	RootFlowLogID string          `json:"root_flow_log_id,omitempty"`
	Account       string          `json:"account"`
	AccountName   string          `json:"account_name,omitempty"` // not in an export
	Region        string          `json:"region"`
	ResourceID    string          `json:"resource_id,omitempty"`   // instead of Settings.ResourceID
	ResourceName  string          `json:"resource_name,omitempty"` // its tag Name; not in an export
	State         inventory.State `json:"state"`
	Protected     bool            `json:"protected"`
	Held          bool            `json:"held,omitempty"`       // not protected: its recipient is not approved
	Restorable    *bool           `json:"restorable,omitempty"` // according to the last rehearsal
	ReleasedUntil alert.Time      `json:"released_until,omitzero"`
	NewFlowLogID  string          `json:"new_flow_log_id,omitempty"` // its replacement
	inventory.Settings
	CreatedBy   string     `json:"created_by,omitempty"`
	FirstSeenAt alert.Time `json:"first_seen_at,omitzero"`
	LastSeenAt  alert.Time `json:"last_seen_at,omitzero"`
}

// New is a row as FlowLog, without what a row does not have: AccountName, ResourceName, Restorable
// and NewFlowLogID.
func New(r inventory.Row) FlowLog {
	return FlowLog{
		FlowLogID: r.ID, RootFlowLogID: r.RootID, Account: r.Scope.Account, Region: r.Scope.Region,
		ResourceID: r.ResourceID, State: r.State, Protected: r.Protected, Held: r.Held, ReleasedUntil: alert.Time{Time: r.ReleasedUntil},
		Settings: r.Settings, CreatedBy: r.CreatedBy, FirstSeenAt: alert.Time{Time: r.FirstSeenAt}, LastSeenAt: alert.Time{Time: r.LastSeenAt},
	}
}

// settings are the flow log's settings as the snapshot keeps them.
func (f FlowLog) settings() inventory.Settings {
	f.Settings.ResourceID = f.ResourceID
	return f.Settings
}

// Bounds of what is read: far beyond any real inventory.
const (
	maxLine     = 1 << 20 // bytes
	maxRows     = 1_000_000
	maxProblems = 20
)

// Head is the first line of an export.
type Head struct {
	Export     int        `json:"flowkeeper_export"` // version of the format
	ExportedAt alert.Time `json:"exported_at,omitzero"`
}

const version = 1

// NewHead is the head of an export that is made now.
func NewHead(now time.Time) Head { return Head{version, alert.Time{Time: now}} }

// Read reads and checks a whole export. With a problem there are no rows; problems say on
// which line. The retention of a flow log that is gone begins now. A flow log is protected only if the
// export says so and its destination matches destinations, the patterns of inventory.destinations. A
// scope for which watched returns an error is a problem: its flow logs would never be refreshed.
func Read(in io.Reader, watched func(inventory.Scope) error, destinations []string, now time.Time) (rows []inventory.Row, problems []string) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	seen := map[[2]string]int{} // the line of each flow log, by scope and ID
	n := 0
	for lines.Scan() && len(problems) < maxProblems {
		n++
		text := lines.Bytes()
		switch {
		case n == 1:
			if p := checkHead(text); p != "" {
				return nil, []string{"line 1: " + p}
			}
			continue
		case len(bytes.TrimSpace(text)) == 0:
			continue
		case len(rows) == maxRows:
			return nil, []string{fmt.Sprintf("more than %d flow logs", maxRows)}
		}
		row, err := readRow(text, watched, destinations, now)
		if at, twice := seen[[2]string{row.Scope.String(), row.ID}]; err == nil && twice {
			err = fmt.Errorf("%s is in line %d already", row.ID, at)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("line %d: %v", n, err))
			continue
		}
		seen[[2]string{row.Scope.String(), row.ID}] = n
		rows = append(rows, row)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		problems = append(problems, fmt.Sprintf("line %d: longer than %d bytes", n+1, maxLine))
	} else if err != nil {
		problems = append(problems, err.Error())
	}
	if n == 0 && len(problems) == 0 {
		problems = []string{"it is empty"}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return rows, nil
}

func checkHead(line []byte) string {
	var head Head
	if err := json.Unmarshal(line, &head); err != nil || head.Export == 0 {
		return `not an export: an export begins with {"flowkeeper_export":1,…}`
	}
	if head.Export != version {
		return fmt.Sprintf("format %d, this Flowkeeper reads %d: use the version that wrote it, or a newer one", head.Export, version)
	}
	return ""
}

func readRow(line []byte, watched func(inventory.Scope) error, destinations []string, now time.Time) (inventory.Row, error) {
	var f FlowLog
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok { // its text would name a Go type
			err = fmt.Errorf("%s is a JSON %s", cmp.Or(t.Field, "it"), t.Value)
		}
		return inventory.Row{}, fmt.Errorf("not a flow log: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return inventory.Row{}, errors.New("more than one JSON object")
	}
	if err := f.check(); err != nil {
		return inventory.Row{}, err
	}
	if err := watched(inventory.Scope{Account: f.Account, Region: f.Region}); err != nil {
		return inventory.Row{}, err
	}
	row := inventory.Row{
		FlowLog:     inventory.FlowLog{ID: f.FlowLogID, Scope: inventory.Scope{Account: f.Account, Region: f.Region}, Settings: f.settings()},
		RootID:      cmp.Or(f.RootFlowLogID, f.FlowLogID),
		State:       f.State,
		CreatedBy:   f.CreatedBy,
		FirstSeenAt: f.FirstSeenAt.Time,
		LastSeenAt:  f.LastSeenAt.Time,
	}
	if row.State == inventory.Gone {
		row.GoneAt = now // its retention begins now
	}
	row.Excluded = !incident.Protects(destinations, row.Destination(row.Scope))
	row.Held = f.Held
	row.Protected = f.Protected && !row.Excluded && !row.Held
	return row, nil
}
