package main

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/internal/accounts"
	"flowkeeper/internal/exportfile"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// The keys of the JSON that commands print. Programs of users rely on them.
const (
	flowLogKeys = "flow_log_id root_flow_log_id account region resource_id state protected held released_until traffic_type " +
		"log_destination_type log_destination log_group_name deliver_logs_permission_arn deliver_cross_account_role log_format " +
		"max_aggregation_interval destination_options tag_field_specifications tags created_by first_seen_at last_seen_at"
	incidentKeys = "id flow_log_id root_flow_log_id account region resource_id state reason advice source event_id deleted_at " +
		"detected_at last_seen_at restored_at verified_at new_flow_log_id blind_seconds attempts next_attempt_at flow_log actor history"
	accountKeys = "account name path state management source protected_at departed_at departed role_arn role_works role_error regions protected_flow_logs refreshed_at"
	checkKeys   = "ok file queue queue_region queue_endpoint schedule next_refresh accounts organization log_files regions sinks mode on_drift " +
		"rules state backup rehearsal next_rehearsal listen heartbeat problems warnings"
	actorKeys = "account_name type arn session_issuer access_key_id mfa source_ip user_agent via account user_name on_behalf_of identity_store principal_id invoked_by source_identity web_identity"
)

// fillAll sets every exported field of a value to something.
func fillAll(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(noon))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillAll(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
	case reflect.Struct:
		for _, field := range v.Fields() {
			if field.CanSet() {
				fillAll(field)
			}
		}
	}
}

func asObject(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func sorted(list string) []string { return slices.Sorted(slices.Values(strings.Fields(list))) }

func TestJSONHasTheKeysOfTheContract(t *testing.T) {
	t.Parallel()
	var row inventory.Row
	fillAll(reflect.ValueOf(&row).Elem())
	if got := keys(asObject(t, exportfile.New(row))); !slices.Equal(got, sorted(flowLogKeys)) {
		t.Errorf("a flow log has %v", got)
	}
	var i incident.Incident
	fillAll(reflect.ValueOf(&i).Elem())
	var account accounts.Account
	fillAll(reflect.ValueOf(&account).Elem())
	if got := keys(asObject(t, account)); !slices.Equal(got, sorted(accountKeys)) {
		t.Errorf("an account has %v", got)
	}
	var check summary
	fillAll(reflect.ValueOf(&check).Elem())
	summed := asObject(t, check)
	if got := keys(summed); !slices.Equal(got, sorted(checkKeys)) {
		t.Errorf("check has %v", got)
	}
	if got := keys(summed["organization"].(map[string]any)); !slices.Equal(got, sorted("role_name include exclude")) {
		t.Errorf("check's organization has %v", got)
	}
	m := asObject(t, toIncidentJSON(i, []incident.Entry{{At: noon, State: incident.Open}}))
	if got := keys(m); !slices.Equal(got, sorted(incidentKeys)) {
		t.Errorf("an incident has %v", got)
	}
	if got := keys(m["actor"].(map[string]any)); !slices.Equal(got, sorted(actorKeys)) {
		t.Errorf("an actor has %v", got)
	}
	settings := keys(m["flow_log"].(map[string]any))
	for _, k := range settings {
		if !slices.Contains(sorted(flowLogKeys), k) {
			t.Errorf("the settings of an incident have the key %q, but a flow log does not", k)
		}
	}
	if reflect.TypeFor[inventory.Settings]().NumField() != len(settings) {
		t.Errorf("the settings of an incident lack some of inventory.Settings: %v", settings)
	}
}

// TestAbsentMeansUnknown: JSON leaves out a key whose value is unknown, instead of null or "".
func TestAbsentMeansUnknown(t *testing.T) {
	t.Parallel()
	row := inventory.Row{FlowLog: inventory.FlowLog{ID: "fl-1", Scope: scope}, State: inventory.Live}
	if got := keys(asObject(t, exportfile.New(row))); !slices.Equal(got, sorted("flow_log_id account region state protected")) {
		t.Errorf("a flow log with only its ID and state has the keys %v", got)
	}
	i := incident.Incident{Scope: scope, FlowLogID: "fl-1", State: incident.Open}
	if got := keys(asObject(t, toIncidentJSON(i, nil))); !slices.Equal(got, sorted("id flow_log_id account region state attempts")) {
		t.Errorf("an incident with only its ID and state has the keys %v", got)
	}
}

func TestTimesAreUTCWithMilliseconds(t *testing.T) {
	t.Parallel()
	row := inventory.Row{FirstSeenAt: time.Date(2026, 3, 1, 13, 0, 0, 123456789, time.FixedZone("", 3600))}
	if got := asObject(t, exportfile.New(row))["first_seen_at"]; got != "2026-03-01T12:00:00.123Z" {
		t.Error(got)
	}
}

// TestCommandsAreThereOnce: each command is registered, and none twice.
func TestCommandsAreThereOnce(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range newRoot(&app{}).Commands() {
		names = append(names, c.Name())
	}
	slices.Sort(names)
	if d := cmp.Diff([]string{"accounts", "alerts", "check", "completion", "demo", "doctor", "help", "incidents", "inventory", "replay", "restore", "rules", "run", "version"}, names); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
