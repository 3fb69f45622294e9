package rehearse_test

import (
	"fmt"
	"strings"
	"testing"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/rehearse"
)

// TestRehearsalTriesEachPermissionClass: formats with ECS fields and tag fields need other permissions, so that
// they have dry runs of their own. Flow logs without a dry run yet do not count as restorable.
func TestRehearsalTriesEachPermissionClass(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(2)
	s.rehearse()
	s.plant("vpc-ecs", func(f *fakeaws.FlowLog) { f.LogFormat = "${version} ${ecs-cluster-arn} ${ecs-task-arn}" })
	s.plant("vpc-tags", func(f *fakeaws.FlowLog) {
		f.TagFields = []fakeaws.TagField{{ResourceType: "instance", Keys: []string{"Name"}}}
	})
	s.refresh()
	s.restorable(map[string]int{"yes": 2, "unknown": 2})
	if c := s.rehearse(); c != (rehearse.Result{Tried: 3}) {
		t.Errorf("%+v", c)
	}
	s.restorable(map[string]int{"yes": 4})
}

// restorable checks how many flow logs would be restored, how many would not, and for how many there was no dry
// run.
func (s *scene) restorable(want map[string]int) {
	s.t.Helper()
	counts, err := s.store.Counts(s.t.Context())
	s.must(err)
	for _, is := range []string{"yes", "no", "unknown"} {
		if counts.Restorable[is] != want[is] {
			s.t.Errorf("restorable: %v, want %v", counts.Restorable, want)
		}
	}
}

// TestRehearsalFindsAMissingPermissionOfOneClass: a permission is missing that only some formats need. Only flow
// logs with such a format are refused, and the alert names the permission.
func TestRehearsalFindsAMissingPermissionOfOneClass(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(2)
	ecs := s.plant("vpc-ecs", func(f *fakeaws.FlowLog) { f.LogFormat = "${ecs-cluster-arn}" })
	s.refresh()
	s.world.Deny("flowkeeper", "ecs:ListClusters")
	if c := s.rehearse(); c != (rehearse.Result{Tried: 2, Refused: 1}) {
		t.Errorf("%+v", c)
	}
	s.restorable(map[string]int{"yes": 2, "no": 1})
	s.wantAlerts(1)
	if a := s.alerts()[0]; len(a.FlowLogs) != 1 || a.FlowLogs[0].FlowLogID != ecs || !strings.Contains(a.Cause, "ecs:ListClusters") {
		t.Errorf("%+v", a)
	}
}

// TestFormatsWithoutEndAreFewRehearsals: somebody creates flow logs that all have different formats and tag
// keys. That must not cause a dry run for each of them.
func TestFormatsWithoutEndAreFewRehearsals(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for n := range 60 {
		s.plant(fmt.Sprintf("vpc-%d", n), func(f *fakeaws.FlowLog) {
			f.LogFormat = strings.Repeat("${version} ", 1+n/2)
			if n%2 == 1 {
				f.LogFormat += fmt.Sprintf("${ecs-%d}", n)
			}
			for k := range n % 7 {
				kind := []string{"instance", "network-interface", "auto-scaling-group", "a-kind-of-" + fmt.Sprint(n)}[k%4]
				f.TagFields = append(f.TagFields, fakeaws.TagField{ResourceType: kind, Keys: []string{fmt.Sprint("key-", n)}})
			}
		})
	}
	s.refresh()
	c, err := s.Rehearse(t.Context(), scope, func() {})
	s.must(err)
	if dry := len(s.world.Calls("CreateFlowLogs")); c.Tried > 16 || dry > 16 {
		t.Errorf("%+v: %d dry runs for 60 formats, want at most 16", c, dry)
	}
}
