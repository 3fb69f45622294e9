package inventory

import (
	"encoding/json"
	"maps"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestSettingsAsJSON: appendJSON, of which a digest is made, must write the same bytes as encoding/json, as earlier
// versions did. Otherwise the digests in state files would not match, and a refresh would write every row again.
func TestSettingsAsJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := anySettings(t)
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~<>&"\\\x00-\x7f]{0,9}`), rapid.SampledFrom([]string{"", "\xff", "\u2028", "é", "\x7f"}))
		for n := range reflect.TypeFor[Settings]().NumField() { // also of fields that are added later
			if f := reflect.ValueOf(&s).Elem().Field(n); f.Kind() == reflect.String && rapid.Bool().Draw(t, "odd") {
				f.SetString(text.Draw(t, "text"))
			}
		}
		s.Tags = maps.Clone(s.Tags)
		if s.Tags != nil {
			s.Tags[text.Draw(t, "key")] = text.Draw(t, "value")
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if have := s.appendJSON(nil); string(have) != string(want) {
			t.Fatalf("%s\nwant\n%s", have, want)
		}
	})
}

// TestEverySettingIsInTheDigest: no setting can be changed without a refresh noticing.
func TestEverySettingIsInTheDigest(t *testing.T) {
	t.Parallel()
	everyField(t, func(s *Settings) any { return s })
	everyField(t, func(s *Settings) any { s.DestinationOptions = &DestinationOptions{}; return s.DestinationOptions })
	everyField(t, func(s *Settings) any {
		s.TagFieldSpecifications = make([]TagFieldSpecification, 1)
		return &s.TagFieldSpecifications[0]
	})
}

// everyField sets each field of a part of the settings in turn: the digest must change.
func everyField(t *testing.T, part func(*Settings) any) {
	for f := range reflect.TypeOf(part(&Settings{})).Elem().Fields() {
		before, s := Settings{ResourceID: "vpc-1"}, Settings{ResourceID: "vpc-1"}
		part(&before)
		v := reflect.ValueOf(part(&s)).Elem().FieldByIndex(f.Index)
		switch v.Kind() {
		case reflect.Bool:
			v.SetBool(true)
		case reflect.String:
			v.SetString("x")
		case reflect.Int32:
			v.SetInt(1)
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		case reflect.Map:
			v.Set(reflect.ValueOf(map[string]string{"x": ""}))
		default:
			t.Fatalf("%s is a %s: say here how it is set", f.Name, v.Kind())
		}
		if (FlowLog{Settings: s}).Digest() == (FlowLog{Settings: before}).Digest() {
			t.Errorf("%s is not in the digest", f.Name)
		}
	}
}
