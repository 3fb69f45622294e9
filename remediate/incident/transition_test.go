package incident

import "testing"

// TestPutWithHistory: the history and the log get a line if the state or its reason changes, and otherwise none.
func TestPutWithHistory(t *testing.T) {
	t.Parallel()
	putWith := func(change func(*Incident)) func(*Case) string {
		return func(c *Case) string {
			t, _ := c.begin("fl-1")
			change(&t.Incident)
			t.putWithHistory("so it is")
			return ""
		}
	}
	play(t, []scenario{
		{"another state", given(pending("fl-1")), putWith(func(i *Incident) { i.State = Verified }),
			`fl-1: State=verified | logged fl-1 verified: so it is`},
		{"another reason", given(blocked("fl-1", Role)), putWith(func(i *Incident) { i.Reason = Limit }),
			`fl-1: Reason=limit | logged fl-1 blocked/limit: so it is`},
		{"nothing else", given(blocked("fl-1", Role)), putWith(func(i *Incident) { i.Tried = 7 }), `fl-1: Tried=7`},
	})
}
