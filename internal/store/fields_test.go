package store

import (
	"testing"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
)

// withFields returns flow logs whose restores need different permissions, because their formats or tag fields differ:
// one without fields that need any, and one for each kind of field. All have one destination, whose name has characters
// that JSON escapes.
func withFields() (plain inventory.FlowLog, others []inventory.FlowLog) {
	make := func(id, format string, kinds ...string) inventory.FlowLog {
		f := flowLog(id)
		f.LogDestination, f.LogFormat = `arn:aws:s3:::logs/<a>&"b"`, format
		for _, k := range kinds {
			f.TagFieldSpecifications = append(f.TagFieldSpecifications, inventory.TagFieldSpecification{ResourceType: k, TagKeys: []string{"Name"}})
		}
		return f
	}
	return make("fl-plain", "${version}"), []inventory.FlowLog{
		make("fl-ecs", "${version} ${ecs-cluster-arn}"),
		make("fl-instance", "${version}", "instance"),
		make("fl-interface", "${version}", "network-interface"),
		make("fl-group", "${version}", "auto-scaling-group"),
		make("fl-later", "${version}", "something-of-2027"),
		make("fl-all", "${ecs-task-arn} ${version}", "auto-scaling-group", "instance", "what"),
	}
}

// TestRestorableCountsOnlyWhatWasTried: a rehearsal that AWS allowed does not show that a flow log whose restore needs
// more permissions can be restored.
func TestRestorableCountsOnlyWhatWasTried(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	plain, others := withFields()
	s.learnAt(t, noon, append(others, plain)...)
	s.rehearsed(t, func(tx rehearse.Tx) error {
		return tx.SaveRehearsals(scope, rehearse.Changes{Rehearsals: []rehearse.Rehearsal{{Scope: scope, Target: delivery.TargetOf(plain), At: noon}}})
	})
	got, err := s.Counts(t.Context())
	if err != nil || got.Restorable["yes"] != 1 || got.Restorable["unknown"] != len(others) {
		t.Errorf("%v, %v", got.Restorable, err)
	}
	rehearsed, err := s.Rehearsed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range others {
		if _, tried := rehearsed(s.row(t, f.ID)); tried {
			t.Errorf("%s counts as rehearsed", f.ID)
		}
	}
}

// TestUpgradeDistinguishesFields: the older schema has no fields in delivery targets. After the upgrade, each row has
// the same target, byte for byte, that a refresh would write. A target without a rehearsal does not count as
// restorable. Tampering with the destination still finds all flow logs that depend on it.
func TestUpgradeDistinguishesFields(t *testing.T) {
	t.Parallel()
	plain, others := withFields()
	all := append(others, plain)
	rows := make([]inventory.Row, 0, len(all))
	for _, f := range all {
		rows = append(rows, inventory.Row{FlowLog: f, RootID: f.ID, State: inventory.Live, Protected: true, WrittenAt: noon, FirstSeenAt: noon, LastSeenAt: noon})
	}
	path := older(t, 6, rows...)
	needs := delivery.TargetOf(plain)
	db := raw(t, path)
	exec(t, db, `UPDATE flow_logs SET needs = ?`, body(needs))
	exec(t, db, `INSERT INTO rehearsals (account, region, needs, body) VALUES (?, ?, ?, ?)`, scope.Account, scope.Region, body(needs), body(rehearse.Rehearsal{Scope: scope, Target: needs, At: noon}))
	for _, key := range needs.Keys() {
		exec(t, db, `INSERT INTO depends (thing, account, region, needs) VALUES (?, ?, ?, ?)`, key, scope.Account, scope.Region, body(needs))
	}
	s := open(t, path)
	for _, f := range all {
		var needs string
		if err := s.r.QueryRow(`SELECT t.needs FROM flow_logs f JOIN targets t ON t.num = f.target WHERE f.id = ?`, f.ID).Scan(&needs); err != nil || needs != body(delivery.TargetOf(f)) {
			t.Errorf("%s: %s, %v", f.ID, needs, err)
		}
	}
	got, err := s.Counts(t.Context())
	if err != nil || got.Restorable["yes"] != 1 || got.Restorable["unknown"] != len(others) {
		t.Errorf("%v, %v", got.Restorable, err)
	}
	err = s.Tampering().View(t.Context(), func(tx tamper.Tx) error {
		key := delivery.KeyOf(plain.LogDestination)
		usages, err := tx.Usages(key, key)
		live := 0
		for _, d := range usages {
			live += d.Live
		}
		if live != len(all) {
			t.Errorf("%d of %d flow logs depend on their destination", live, len(all))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
