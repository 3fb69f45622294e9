package alert_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

func TestCleanTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in    string
		limit int
		want  string
	}{
		"plain":                              {"plain", 10, "plain"},
		"empty":                              {"", 10, ""},
		"letters and quotes":                 {"Grüße, 世界 'quoted' \"so\" \\ <b>", 40, "Grüße, 世界 'quoted' \"so\" \\ <b>"},
		"escape":                             {"\x1b[31m", 20, `\x1b[31m`},
		"line end":                           {"a\r\nb", 20, `a\r\nb`},
		"text direction":                     {"\u202eabc", 20, `\u202eabc`},
		"no UTF-8":                           {"\xff", 20, `\xff`},
		"just fits":                          {"0123456789", 10, "0123456789"},
		"one too long":                       {"0123456789a", 10, "012345678…"},
		"cut between runes":                  {"世界世界", 3, "世界…"},
		"an escape is not cut in the middle": {"abcd\x1b", 6, "abcd…"},
		"room for one character":             {"ab", 1, "…"},
		"no room":                            {"ab", 0, ""},
		"negative limit":                     {"ab", -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := alert.Clean(c.in, c.limit); got != c.want {
				t.Errorf("Clean(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range alerttest.Hostile {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit %= 1000
		got := alert.Clean(s, limit)
		alerttest.Printable(t, got, false)
		if n := utf8.RuneCountInString(got); n > max(0, limit) {
			t.Fatalf("%d characters, limit %d", n, limit)
		}
		if again := alert.Clean(got, limit); again != got {
			t.Fatalf("not stable: %q then %q", got, again)
		}
	})
}

// texts are all strings that v reaches.
func texts(v reflect.Value, yield func(string)) {
	switch v.Kind() {
	case reflect.String:
		yield(v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			texts(v.Elem(), yield)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts(v.Index(i), yield)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			texts(k, yield)
			texts(v.MapIndex(k), yield)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[alert.Time]() {
			return
		}
		for _, field := range v.Fields() {
			texts(field, yield)
		}
	}
}

func TestI12NoForeignTextPassesUncleaned(t *testing.T) {
	t.Parallel()
	for _, text := range append(alerttest.Hostile, strings.Repeat("x", 100_000)) {
		for _, kind := range alerttest.Kinds {
			var a alert.Alert
			alerttest.Fill(&a, text)
			a.Kind, a.Level, a.RouteLevel = kind, alert.High, alert.High // our own words, never foreign
			a.Write()
			alerttest.Printable(t, a.Title, false)
			alerttest.Printable(t, a.Text, true)
			if n := utf8.RuneCountInString(a.Title); n > alert.MaxTitle {
				t.Errorf("%s: title of %d characters", kind, n)
			}
			if len(a.Text) > 64<<10 {
				t.Errorf("%s: text of %d bytes", kind, len(a.Text))
			}
			a.Text = ""
			texts(reflect.ValueOf(a), func(s string) {
				alerttest.Printable(t, s, false)
				limit := alert.MaxField
				if s == a.FlowLogs[0].LogFormat {
					limit = 4096
				}
				if utf8.RuneCountInString(s) > limit {
					t.Errorf("%s: a field of %d bytes", kind, len(s))
				}
			})
		}
	}
}

func TestI12TextBoundedForAThousandFlowLogs(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	for len(a.FlowLogs) < 1000 {
		a.FlowLogs = append(a.FlowLogs, a.FlowLogs[0])
	}
	a.Write()
	if !strings.Contains(a.Title, "1000 flow logs") || !strings.Contains(a.Text, "and 980 more") {
		t.Errorf("title %q, text %q", a.Title, a.Text)
	}
	if len(a.Text) > 8<<10 {
		t.Errorf("text of %d bytes", len(a.Text))
	}
	if len(a.FlowLogs) != 1000 {
		t.Errorf("%d flow logs are left, want all 1000", len(a.FlowLogs))
	}
}

func TestI12TagsBounded(t *testing.T) {
	t.Parallel()
	tags := map[string]string{}
	for i := range 200 {
		tags[strings.Repeat("k", i+1)] = "v"
	}
	a := alerttest.Deletion()
	a.FlowLogs[0].Tags = tags
	a.Write()
	if n := len(a.FlowLogs[0].Tags); n != 50 {
		t.Errorf("%d tags, want 50", n)
	}
	if len(tags) != 200 {
		t.Error("the caller's map was changed")
	}
}

func TestWriteDoesNotChangeSharedValues(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Actor.UserAgent = "\x1b[2J"
	a.FlowLogs[0].Tags["team"] = "\x1b"
	a.FlowLogs[0].DifferencesFound = []string{"\x1b"}
	shared := a
	a.Write()
	if shared.Actor.UserAgent != "\x1b[2J" || shared.FlowLogs[0].Tags["team"] != "\x1b" || shared.FlowLogs[0].DifferencesFound[0] != "\x1b" {
		t.Error("Write changed what its caller still holds")
	}
	if a.Actor.UserAgent != `\x1b[2J` {
		t.Errorf("user agent %q", a.Actor.UserAgent)
	}
}

func TestWriteTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := alerttest.Deletion()
		a.Actor.UserAgent = rapid.String().Draw(t, "agent")
		a.Cause = rapid.String().Draw(t, "reason")
		a.Kind = rapid.SampledFrom(alerttest.Kinds).Draw(t, "kind")
		a.Write()
		once, _ := json.Marshal(a)
		a.Write()
		twice, _ := json.Marshal(a)
		if string(once) != string(twice) {
			t.Fatalf("%s\n%s", once, twice)
		}
	})
}
