package incident

import (
	"fmt"
	"testing"

	"flowkeeper/inventory"
)

// TestOnAResource: Live returns what is live on a resource, pending the incidents that are open or blocked, and Lost
// those of them whose flow logs are to be restored.
func TestOnAResource(t *testing.T) {
	t.Parallel()
	onVPC2 := func(i *Incident) { i.ResourceID = "vpc-2" }
	c := given(live("fl-2"), live("fl-1"), gone("fl-3"), live("fl-4", func(r *inventory.Row) { r.ResourceID = "vpc-2" }),
		pending("fl-3"), gone("fl-5"), blocked("fl-5", Role), gone("fl-6", unprotected), pending("fl-6"), gone("fl-7", unprotected), pending("fl-7", func(i *Incident) { i.Requested = true }),
		pending("fl-8", unknown), pending("fl-9", onVPC2), back("fl-a", "fl-b"), closed("fl-c", Exempt), pending("fl-d"))
	var live, pending, lost []string
	for _, r := range c.Live("vpc-1") {
		live = append(live, r.ID)
	}
	for _, i := range c.pending("vpc-1") {
		pending = append(pending, i.FlowLogID)
	}
	for _, i := range c.Lost("vpc-1") {
		lost = append(lost, i.FlowLogID)
	}
	for what, x := range map[string]struct{ got, want []string }{
		"live":    {live, []string{"fl-1", "fl-2"}},
		"pending": {pending, []string{"fl-3", "fl-5", "fl-6", "fl-7", "fl-d"}},
		"lost":    {lost, []string{"fl-3", "fl-5", "fl-7", "fl-d"}}, // no row says that fl-d was a decoy
	} {
		if fmt.Sprint(x.got) != fmt.Sprint(x.want) {
			t.Errorf("%s: %v, want %v", what, x.got, x.want)
		}
	}
}

// TestAMoveToAnotherResource: if a change moves a row and its incident to another resource, the case has them there,
// and no longer on the first one.
func TestAMoveToAnotherResource(t *testing.T) {
	t.Parallel()
	c := given(live("fl-1"), pending("fl-1"))
	c.putRowAndNotice(live("fl-1", func(r *inventory.Row) { r.ResourceID = "vpc-2" }))
	c.Put(pending("fl-1", func(i *Incident) { i.ResourceID = "vpc-2" }))
	if len(c.Live("vpc-1")) != 0 || len(c.Live("vpc-2")) != 1 || len(c.pending("vpc-1")) != 0 || len(c.pending("vpc-2")) != 1 {
		t.Error("the row and the incident are not on vpc-2 alone")
	}
}

// TestChanges: Changes returns each changed row and incident once, with its last state, in the order of the first
// changes. It does not return what was only loaded.
func TestChanges(t *testing.T) {
	t.Parallel()
	c := given(live("fl-1"), live("fl-2"), pending("fl-1"), pending("fl-2"), live("fl-3"), pending("fl-3"))
	if rows, incidents := c.Changes(); len(rows)+len(incidents) != 0 {
		t.Errorf("nothing was changed: %d rows, %d incidents", len(rows), len(incidents))
	}
	for _, id := range []string{"fl-2", "fl-1", "fl-2"} {
		i, _ := c.Incident(id)
		i.Tried++
		c.Put(i)
		r, _ := c.Row(id)
		r.CreatedBy += "x"
		c.putRowAndNotice(r)
	}
	rows, incidents := c.Changes()
	got := ""
	for n, r := range rows {
		got += fmt.Sprint(r.ID, " ", r.CreatedBy, ", ", incidents[n].FlowLogID, " ", incidents[n].Tried, "; ")
	}
	if want := "fl-2 xx, fl-2 2; fl-1 x, fl-1 1; "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
