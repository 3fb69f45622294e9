package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/viper"

	"flowkeeper/internal/nearest"
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
		Heartbeat: Heartbeat{Every: time.Minute},
		Log:       Log{Level: "info", Format: "auto"},
	}
}

// Options of Load.
type Options struct {
	Environ   []string // as os.Environ gives it
	NeedQueue bool     // queue.url must be set
	// LeaveSecrets: a secret that systemd hands to the service alone stays unread,
	// and is a warning, where CREDENTIALS_DIRECTORY is not set.
	LeaveSecrets bool
	// Proxies: the variables that name a proxy are checked too, since the network
	// is used.
	Proxies bool
}

const (
	maxFile   = 1 << 20 // bytes
	envPrefix = "FLOWKEEPER_"
)

// Load reads a file, merges defaults, environment and secrets, and checks
// everything. An empty name stands for no file. The error is *Problems: all of
// them at once, none with a secret in it (I11). It is an fs.ErrNotExist if,
// and only if, the file itself is missing. Warnings come with a configuration
// that is fine.
func Load(file string, o Options) (Config, []Warning, error) {
	l := &loader{
		path: file, env: environment(o.Environ), scalars: scalars(),
		lines: map[string]int{}, values: map[string]any{}, override: map[string]any{},
		told: map[string]int{}, soft: map[int]bool{}, leave: o.LeaveSecrets, left: map[string]string{},
	}
	l.file = l.nameOf(file)
	if file != "" {
		l.readFile()
	}
	if l.unread {
		return Config{}, nil, l.failed() // what it lacks is unknown
	}
	l.checkEnvironment()
	c := l.merge()
	l.readSecrets(&c)
	l.fillSinks(&c)
	validator{l}.validate(c, o.NeedQueue)
	if o.Proxies {
		l.problems = append(l.problems, proxies(l.env).problems()...)
	}
	if len(l.problems) > 0 {
		return Config{}, nil, l.failed()
	}
	warnings := append(c.warnings(), l.leftWarnings()...)
	warnings = append(warnings, l.zoneWarnings(c.Inventory.Schedule, c.Rehearsal.Schedule)...)
	if o.Proxies {
		warnings = append(warnings, proxies(l.env).warnings()...)
	}
	return c, warnings, nil
}

// loader is one Load.
type loader struct {
	path     string // of the file
	file     string // as people are told of it
	env      map[string]string
	scalars  []scalar
	lines    map[string]int    // of each key in the file
	values   map[string]any    // what the file says, with its types checked
	override map[string]any    // what the environment says, by key
	unread   bool              // the file can't be read, or is no YAML
	leave    bool              // secrets that only the service has
	left     map[string]string // the files of those, by the secret's key
	problems []Problem
	told     map[string]int // index of a value's problem, by place and key
	soft     map[int]bool   // problems that give way to a better one of the same value
}

// nameOf a file is what people are told. systemd's copy is not theirs to mend: of
// that it is the name alone.
func (l *loader) nameOf(path string) string {
	if dir := l.env["CREDENTIALS_DIRECTORY"]; dir != "" && filepath.Dir(path) == filepath.Clean(dir) {
		return filepath.Base(path)
	}
	return path
}

// readFile reads and walks the file.
func (l *loader) readFile() {
	text, err := readBounded(l.path, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.problems = append(l.problems, Problem{File: l.file, Message: "no such file: write it (configs/flowkeeper.yaml is a commented example), or name another with --config", err: fs.ErrNotExist})
		l.unread = true
	case err != nil:
		l.unread = true
		l.problems = append(l.problems, Problem{File: l.file, Message: "can't be read (" + cause(err) + "): name a YAML file that this user may read"})
	default:
		l.walkFile(text)
	}
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

var errTooLarge = errors.New("too large")

func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err = errors.Join(err, f.Close()); err == nil && int64(len(b)) > most {
		err = errTooLarge
	}
	return b, err
}

// cause is why a file can't be read, without its name: what was written as a
// name may be a secret.
func cause(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// merge lets viper put defaults, file and environment together. All values
// have their exact types by now, so viper's guesses (no unit is nanoseconds, a
// comma makes a list) are switched off.
func (l *loader) merge() (c Config) {
	v := viper.New()
	defaults := reflect.ValueOf(Default())
	for _, s := range l.scalars {
		v.SetDefault(s.key, defaults.FieldByIndex(s.index).Interface())
	}
	err := v.MergeConfigMap(l.values)
	for key, value := range l.override {
		v.Set(key, value)
	}
	if err == nil {
		err = v.UnmarshalExact(&c, viper.DecodeHook(nil))
	}
	if err != nil { // its words may hold values
		l.problems = append(l.problems, Problem{File: l.file, Message: "can't be understood: compare it with the commented example"})
	}
	return c
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
	for section := range fields(reflect.TypeFor[Config]()) {
		if section.typ.Kind() != reflect.Struct {
			continue
		}
		for f := range fields(section.typ) {
			if f.typ.Kind() == reflect.Slice {
				continue
			}
			key := section.key + "." + f.key
			out = append(out, scalar{key: key, env: envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_")), index: []int{section.n, f.n}, typ: f.typ})
		}
	}
	return out
}

// checkEnvironment takes the values that come from the environment, and
// reports names that were meant for us but are not ours.
func (l *loader) checkEnvironment() {
	known := map[string]bool{}
	var names []string
	for _, s := range l.scalars {
		known[s.env] = true
		names = append(names, strings.TrimPrefix(s.env, envPrefix))
		if value, set := l.env[s.env]; set {
			if v, ok := l.scalarValue(s.key, value, "", s.typ); ok {
				l.override[s.key] = v
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		rest, ours := strings.CutPrefix(name, envPrefix)
		if !ours || known[name] || ofKubernetes(name, l.env[name]) {
			continue
		}
		near := nearest.Word(rest, names)
		switch {
		case ofAList(rest):
			l.unknownVariable(name, "lists are set in the file only")
		case near != "":
			l.unknownVariable(name, "no such key: did you mean "+envPrefix+near+"?")
		case ofASection(rest):
			l.unknownVariable(name, "no such key: the keys are "+envPrefix+strings.Join(names, ", "+envPrefix))
		}
	}
}

func (l *loader) unknownVariable(name, message string) {
	l.problems = append(l.problems, Problem{File: "environment", Key: keyShown("", name), Message: message})
}

// ofASection reports a name such as QUEUE_…: meant for us. Others that begin
// with FLOWKEEPER_ may be somebody else's.
func ofASection(name string) bool {
	for f := range fields(reflect.TypeFor[Config]()) {
		if strings.HasPrefix(name, strings.ToUpper(f.key)+"_") {
			return true
		}
	}
	return false
}

// ofAList reports the name of a list, or of what is in one.
func ofAList(name string) bool {
	for section := range fields(reflect.TypeFor[Config]()) {
		lists := []string{section.key}
		if section.typ.Kind() == reflect.Struct {
			lists = nil
			for f := range fields(section.typ) {
				if f.typ.Kind() == reflect.Slice {
					lists = append(lists, section.key+"_"+f.key)
				}
			}
		}
		for _, key := range lists {
			if key = strings.ToUpper(key); name == key || strings.HasPrefix(name, key+"_") {
				return true
			}
		}
	}
	return false
}

// place of a key: its file and line, or the variable that sets it.
func (l *loader) place(key string) (file string, line int) {
	for _, s := range l.scalars {
		if _, set := l.env[s.env]; set && s.key == key {
			return "environment " + s.env, 0
		}
	}
	for k := key; k != ""; k = parent(k) {
		if n, ok := l.lines[k]; ok {
			return l.file, n
		}
	}
	return l.file, 0
}

// parent of alerts[1].url is alerts[1], and of that alerts.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// problem notes that a key's value is wrong. Only the first problem of a value
// counts, and none of what is beneath it: it was not even looked at.
func (l *loader) problem(key, value, format string, args ...any) {
	if _, unread := l.left[key]; unread {
		return // not missing: elsewhere
	}
	file, line := l.place(key)
	p := Problem{File: file, Line: line, Key: key, Value: shown(key, value), Message: fmt.Sprintf(format, args...)}
	for k := key; k != ""; k = parent(k) {
		i, known := l.told[file+"\x00"+k]
		if known && k == key && l.soft[i] {
			delete(l.soft, i)
			l.problems[i] = p
		}
		if known {
			return
		}
	}
	l.told[file+"\x00"+key] = len(l.problems)
	l.problems = append(l.problems, p)
}

// failed is the error, in the order of the file; what is not in it comes last.
func (l *loader) failed() error {
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line
		}
		return a.Line - b.Line
	})
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

	err error // what errors.Is finds
}

// String is one line of printable text (I12).
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(printable(p.File))
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(printable(p.Key))
		if p.Value == hidden {
			b.WriteString(" " + hidden)
		} else if p.Value != "" {
			fmt.Fprintf(&b, " %q", p.Value)
		}
		b.WriteString(": ")
	}
	b.WriteString(printable(p.Message))
	return b.String()
}

// printable is s with everything escaped that is no visible text.
func printable(s string) string {
	var b strings.Builder
	for _, c := range s {
		if strconv.IsPrint(c) {
			b.WriteRune(c)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(c), "'"))
		}
	}
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

// Unwrap gives the causes that callers may ask for.
func (p *Problems) Unwrap() []error {
	var errs []error
	for _, x := range *p {
		if x.err != nil {
			errs = append(errs, x.err)
		}
	}
	return errs
}

// Warning is something that works, but deserves a second thought.
type Warning string

func (w Warning) String() string { return string(w) }
