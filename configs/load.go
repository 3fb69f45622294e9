package configs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/viper"
)

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Queue:     Queue{WaitTime: 20 * time.Second, VisibilityTimeout: time.Minute},
		Inventory: Inventory{Schedule: "@every 5m", Settle: 2 * time.Minute, Retention: 2160 * time.Hour},
		Remediate: Remediate{Mode: "restore", OnDrift: "restore", DriftWait: 2 * time.Minute, VerifyAfter: 10 * time.Minute, MaxRestores: 5, RestoreInterval: 10 * time.Minute},
		Rehearsal: Rehearsal{Schedule: "@every 1h"},
		State:     State{Path: "/var/lib/flowkeeper/state.db"},
		HTTP:      HTTP{Listen: "127.0.0.1:9469"},
		Log:       Log{Level: "info", Format: "auto"},
	}
}

// Options of Load.
type Options struct {
	Environ   []string // as os.Environ gives it
	NeedQueue bool     // queue.url must be set
}

const (
	maxFile   = 1 << 20 // bytes
	envPrefix = "FLOWKEEPER_"
)

// Load reads a file, merges defaults, environment and secrets, and checks
// everything. An empty name stands for no file. The error is an
// os.ErrNotExist if there is no such file, or *Problems: all of them at once.
// Warnings come with a configuration that is fine.
func Load(file string, o Options) (Config, []Warning, error) {
	l := &loader{file: file, env: environment(o.Environ), lines: map[string]int{}}
	var text []byte
	if file != "" {
		var err error
		if text, err = readBounded(file, maxFile); err != nil {
			return Config{}, nil, fmt.Errorf("read the configuration: %w", err)
		}
	}
	l.walkFile(text)
	l.checkEnvironment()
	if len(l.problems) > 0 {
		return Config{}, nil, l.failed()
	}
	c, err := l.merge(text)
	if err != nil {
		l.problem("", "", "%s", err)
		return Config{}, nil, l.failed()
	}
	l.readSecrets(&c)
	l.validate(c, o.NeedQueue)
	if len(l.problems) > 0 {
		return Config{}, nil, l.failed()
	}
	return c, c.warnings(), nil
}

// loader is one Load.
type loader struct {
	file     string
	env      map[string]string
	lines    map[string]int // of each key
	problems []Problem
}

func environment(environ []string) map[string]string {
	out := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			out[k] = v
		}
	}
	return out
}

func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", file, most)
	}
	return b, err
}

// merge lets viper put defaults, file and environment together. The file has
// been walked before: viper alone can't be strict.
func (l *loader) merge(text []byte) (c Config, err error) {
	v := viper.New()
	v.SetConfigType("yaml")
	defaults := reflect.ValueOf(Default())
	for _, s := range scalars() {
		v.SetDefault(s.key, defaults.FieldByIndex(s.index).Interface())
		if value, set := l.env[s.env]; set {
			v.Set(s.key, value)
		}
	}
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		return c, err
	}
	err = v.UnmarshalExact(&c)
	return c, err
}

// scalar is a key that has one value, and so may come from the environment.
type scalar struct {
	key   string // "queue.url"
	env   string // "FLOWKEEPER_QUEUE_URL"
	index []int  // of the field in Config
	typ   reflect.Type
}

// scalars are all of them, in the order of the contract.
func scalars() []scalar {
	var out []scalar
	root := reflect.TypeFor[Config]()
	for n := range root.NumField() {
		section := root.Field(n)
		if section.Type.Kind() != reflect.Struct {
			continue
		}
		for m := range section.Type.NumField() {
			f := section.Type.Field(m)
			if f.Type.Kind() == reflect.Slice {
				continue
			}
			key := section.Tag.Get("mapstructure") + "." + f.Tag.Get("mapstructure")
			out = append(out, scalar{key: key, env: envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_")), index: []int{n, m}, typ: f.Type})
		}
	}
	return out
}

// checkEnvironment checks the form of values that come from the environment,
// and names that look like ours but are not.
func (l *loader) checkEnvironment() {
	known := map[string]bool{}
	var names []string
	for _, s := range scalars() {
		known[s.env] = true
		names = append(names, s.env)
		value, set := l.env[s.env]
		if !set {
			continue
		}
		if s.typ == reflect.TypeFor[time.Duration]() {
			if fix := durationFix(value); fix != "" {
				l.problem(s.key, value, "%s", fix)
			}
		} else if s.typ.Kind() == reflect.Int {
			if !isInt(value) {
				l.problem(s.key, value, "write a whole number")
			}
		}
	}
	var env []string
	for name := range l.env {
		env = append(env, name)
	}
	slices.Sort(env)
	for _, name := range env {
		if !known[name] && ofASection(name) {
			l.problems = append(l.problems, Problem{File: "environment", Key: name, Message: "no such key" + didYouMean(name, names)})
		}
	}
}

// ofASection reports a name such as FLOWKEEPER_QUEUE_…: meant for us. Others
// that begin with FLOWKEEPER_ may be somebody else's.
func ofASection(name string) bool {
	root := reflect.TypeFor[Config]()
	for n := range root.NumField() {
		if strings.HasPrefix(name, envPrefix+strings.ToUpper(root.Field(n).Tag.Get("mapstructure"))+"_") {
			return true
		}
	}
	return false
}

// place of a key: its file and line, or the variable that sets it.
func (l *loader) place(key string) (file string, line int) {
	for _, s := range scalars() {
		if _, set := l.env[s.env]; set && s.key == key {
			return "environment " + s.env, 0
		}
	}
	for k := key; k != ""; {
		if n, ok := l.lines[k]; ok {
			return l.file, n
		}
		k = k[:max(0, strings.LastIndexAny(k, ".["))]
	}
	return l.file, 0
}

// problem notes that a key's value is wrong. The value must be no secret.
func (l *loader) problem(key, value, format string, args ...any) {
	file, line := l.place(key)
	l.problems = append(l.problems, Problem{File: file, Line: line, Key: key, Value: value, Message: fmt.Sprintf(format, args...)})
}

func (l *loader) failed() error {
	slices.SortStableFunc(l.problems, func(a, b Problem) int { return a.Line - b.Line })
	p := Problems(l.problems)
	return &p
}

// Problem is one thing wrong with the configuration.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Key     string `json:"key,omitempty"`
	Value   string `json:"value,omitempty"` // never a secret
	Message string `json:"message"`         // what is wrong, and what to write instead
}

func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key)
		if p.Value != "" {
			fmt.Fprintf(&b, " %q", p.Value)
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is everything wrong with the configuration.
type Problems []Problem

func (p *Problems) Error() string {
	lines := make([]string, len(*p))
	for n, x := range *p {
		lines[n] = x.String()
	}
	return strings.Join(lines, "\n")
}

// Warning is something that works, but deserves a second thought.
type Warning string

func (w Warning) String() string { return string(w) }
