package incident

import (
	"fmt"
	"testing"
	"time"
)

func TestCircle(t *testing.T) {
	t.Parallel()
	leads := func(from, to string, adopted bool) Incident {
		return back(from, to, func(i *Incident) { i.Adopted = adopted })
	}
	for _, c := range []struct {
		name  string
		given *Case
		want  string // whose incident adopted an ancestor of its own flow log
	}{
		{"it leads nowhere", given(pending("fl-2")), ""},
		{"it leads elsewhere", given(leads("fl-2", "fl-3", true)), ""},
		{"it leads to what is open", given(leads("fl-2", "fl-3", true), pending("fl-3")), ""},
		{"it leads back", given(leads("fl-2", "fl-1", true)), "fl-2"},
		{"it leads back, with nothing adopted", given(leads("fl-2", "fl-3", false), leads("fl-3", "fl-1", false)), "fl-2"},
		{"it leads back by what the last adopted", given(leads("fl-2", "fl-3", true), leads("fl-3", "fl-4", true), leads("fl-4", "fl-1", false)), "fl-3"},
		{"it leads into another circle", given(leads("fl-2", "fl-3", true), leads("fl-3", "fl-2", true)), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i, _ := c.given.Incident("fl-2")
			if i, found := c.given.circle(i, "fl-1"); found != (c.want != "") || found && i.FlowLogID != c.want {
				t.Errorf("found %t: %q, want %q", found, i.FlowLogID, c.want)
			}
		})
	}
}

func TestSuccessor(t *testing.T) {
	t.Parallel()
	c := given(closed("fl-1", Superseded, func(i *Incident) { i.NewID = "fl-2" }), back("fl-2", "fl-3"), back("fl-8", "fl-9"), back("fl-9", "fl-8"))
	for id, want := range map[string]string{"fl-1": "fl-3", "fl-2": "fl-3", "fl-3": "fl-3", "fl-4": "fl-4", "fl-8": "fl-8"} {
		t.Run(id, func(t *testing.T) {
			if got := c.Successor(id); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// TestSuccessorOfALongLineage: MaxLineage replacements are followed, and no more.
func TestSuccessorOfALongLineage(t *testing.T) {
	t.Parallel()
	c := given()
	for n := range MaxLineage + 1 {
		c.Load(nil, []Incident{back(fmt.Sprint("fl-", n), fmt.Sprint("fl-", n+1), func(i *Incident) { i.RestoredAt = time.Time{} })})
	}
	if got, want := c.Successor("fl-0"), fmt.Sprint("fl-", MaxLineage); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestRestores: the restores of a lineage within the last hour count. A restore in the future, from when the clock was
// ahead, does not.
func TestRestores(t *testing.T) {
	t.Parallel()
	at := func(id string, at time.Time) Incident {
		return back(id, "fl-x", func(i *Incident) { i.RootID, i.RestoredAt = "fl-1", at })
	}
	c := given(at("fl-1", now), at("fl-2", now.Add(-time.Hour+1)), at("fl-3", now.Add(-time.Hour)), at("fl-4", now.Add(1)), back("fl-5", "fl-x"), pending("fl-6"))
	if got := len(c.restores("fl-1", now)); got != 2 {
		t.Errorf("%d restores, want 2", got)
	}
}
