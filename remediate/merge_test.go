package remediate_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
)

// TestI5MergeNeverForgets: flow logs change between refreshes, and refreshes fail or get stale listings. A flow
// log that is gone in the snapshot stays gone, and its row keeps what was learned of it, also the release by an
// operator. A refresh of unchanged flow logs writes nothing.
func TestI5MergeNeverForgets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := newScene(t)
		defer s.store.Close()
		s.world.SetPageSize(rapid.IntRange(1, 3).Draw(rt, "page"))
		n := 0
		pick := func() string {
			logs := s.world.FlowLogs(account, region)
			if len(logs) == 0 {
				return ""
			}
			return logs[rapid.IntRange(0, len(logs)-1).Draw(rt, "which")].ID
		}
		for range rapid.IntRange(1, 12).Draw(rt, "rounds") {
			failing, stale := false, false
			switch rapid.SampledFrom([]string{"plant", "plant", "remove", "tag", "release", "fail", "stale"}).Draw(rt, "do") {
			case "plant":
				n++
				s.plant(fmt.Sprintf("vpc-%d", n), nil)
			case "remove":
				s.world.Remove(account, region, pick())
			case "tag":
				if id := pick(); id != "" {
					tags := map[string]string{"n": fmt.Sprint(rapid.Int().Draw(rt, "tag"))}
					s.world.Change(account, region, id, func(f *fakeaws.FlowLog) { f.Tags = tags })
				}
			case "release":
				id := pick()
				_, err := s.store.ChangeRows(t.Context(), func(r *inventory.Row) bool {
					r.ReleasedUntil, r.ReleaseReason = s.now.Add(time.Hour), "planned"
					return r.ID == id
				})
				s.must(err)
			case "fail":
				failing = true
				s.world.Fail("DescribeFlowLogs", 1, "UnauthorizedOperation", http.StatusForbidden)
			case "stale":
				stale = true
				s.world.SetConsistencyDelay(time.Minute)
			}
			before := s.rows()
			_, err := s.r.Refresh(t.Context(), scope)
			if (err != nil) != failing {
				rt.Fatalf("failing %v: %v", failing, err)
			}
			after := s.rows()
			for id, b := range before {
				a, ok := after[id]
				switch {
				case !ok:
					rt.Fatalf("%s is not in the snapshot any more", id)
				case b.State == inventory.Gone && a.State != inventory.Gone:
					rt.Fatalf("%s was gone, and is live again", id)
				case failing && a.State != b.State:
					rt.Fatalf("%s became %s by a refresh that failed", id, a.State)
				case a.RootID != b.RootID || !a.FirstSeenAt.Equal(b.FirstSeenAt) || !a.ReleasedUntil.Equal(b.ReleasedUntil) || a.ReleaseReason != b.ReleaseReason || a.Protected != b.Protected:
					rt.Fatalf("%s: %+v, then %+v", id, b, a)
				}
			}
			if !failing && !stale {
				for _, f := range s.world.FlowLogs(account, region) {
					if a := after[f.ID]; a.State != inventory.Live || !maps.Equal(a.Tags, f.Tags) {
						rt.Fatalf("%s is %s in the snapshot with the tags %v, and live in AWS with %v", f.ID, a.State, a.Tags, f.Tags)
					}
				}
			}
			s.world.SetConsistencyDelay(0)
			if !failing {
				c, err := s.r.Refresh(t.Context(), scope)
				if again, err2 := s.r.Refresh(t.Context(), scope); err != nil || err2 != nil || again.New+again.Changed+again.Lost != 0 {
					rt.Fatalf("nothing has changed, but the refreshes count %+v, and then %+v: %v, %v", c, again, err, err2)
				}
			}
			s.now = s.now.Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "seconds")) * time.Second)
		}
	})
}

func (s *scene) rows() map[string]inventory.Row {
	s.t.Helper()
	out := map[string]inventory.Row{}
	s.must(s.store.FlowLogs(s.t.Context(), func(r inventory.Row) error {
		out[r.ID] = r
		return nil
	}))
	return out
}
