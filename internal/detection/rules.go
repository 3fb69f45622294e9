package detection

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
)

//go:embed rules/*.yml
var files embed.FS

// The rules that code tells apart; every other file is one about tampering.
const (
	deletedFile   = "aws_vpc_flow_logs_deleted.yml"
	attemptedFile = "aws_vpc_flow_logs_deletion_attempt_failed.yml"
	createdFile   = "aws_vpc_flow_logs_created.yml"
)

// SigmaRule has the fields of a Sigma file that are used.
type SigmaRule struct {
	Rule
	File           string // its name, without a directory
	Description    string
	Tags           []string
	References     []string
	FalsePositives []string
	EventSource    string
	EventNames     []string
}

// Rules returns all rules: deleted, attempted, created, and then those about tampering by the
// names of their files.
func Rules() []SigmaRule { return slices.Clone(loaded().list) }

// Sigma returns the text of a rule's file, by SigmaRule.File.
func Sigma(file string) ([]byte, error) { return files.ReadFile(path.Join("rules", file)) }

// catalog has the rules as a list and by keys. It is not changed after load.
type catalog struct {
	list   []SigmaRule
	byFile map[string]Rule
	tamper map[string]map[string]Rule // by event source, then event name
}

// loaded reads the files once. They are part of the binary, so one that can't
// be read is a fault of the build.
var loaded = sync.OnceValue(func() *catalog {
	c, err := load(files)
	if err != nil {
		panic(err)
	}
	return c
})

func load(files fs.FS) (*catalog, error) {
	names, err := fs.Glob(files, "rules/*.yml")
	if err != nil {
		return nil, err
	}
	c := &catalog{byFile: map[string]Rule{}, tamper: map[string]map[string]Rule{}}
	for _, name := range names {
		r, err := read(files, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.add(r)
	}
	slices.SortStableFunc(c.list, func(a, b SigmaRule) int { return place(a.File) - place(b.File) })
	return c, nil
}

func (c *catalog) add(r SigmaRule) {
	c.list = append(c.list, r)
	c.byFile[r.File] = r.Rule
	if place(r.File) < len(ownFiles) {
		return
	}
	events := c.tamper[r.EventSource]
	if events == nil {
		events = map[string]Rule{}
		c.tamper[r.EventSource] = events
	}
	for _, name := range r.EventNames {
		events[name] = r.Rule
	}
}

var ownFiles = []string{deletedFile, attemptedFile, createdFile}

// place returns the place of a file in the list. The files about tampering share the last.
func place(file string) int {
	if i := slices.Index(ownFiles, file); i >= 0 {
		return i
	}
	return len(ownFiles)
}

// ruleOf returns the rule of one of the three files above.
func ruleOf(file string) Rule { return loaded().byFile[file] }

// tamperRule returns the rule about a call that can stop flow logs without deleting them; false:
// there is none. The files alone say which calls these are.
func tamperRule(eventSource, eventName string) (Rule, bool) {
	r, ok := loaded().tamper[eventSource][eventName]
	return r, ok
}
