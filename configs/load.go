package configs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
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

func (w Warning) String() string { return string(w) }
