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

// SigmaRule is one Sigma file, as far as it is used: its words, and which
// calls it is about.
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

// Rules are all detections: deleted, attempted, created, and then those about
// tampering by the names of their files.
func Rules() []SigmaRule { return slices.Clone(loaded().list) }

// Sigma is the text of a rule's file, as SigmaRule.File names it.
func Sigma(file string) ([]byte, error) { return files.ReadFile(path.Join("rules", file)) }

// catalog holds the rules in the ways they are looked up. Nobody writes to it
// after it was made.
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

// place of a file in the list; the tampering ones share the last.
func place(file string) int {
	if i := slices.Index(ownFiles, file); i >= 0 {
		return i
	}
	return len(ownFiles)
}

// ruleOf is the rule in one of the three files that code tells apart.
func ruleOf(file string) Rule { return loaded().byFile[file] }

// tamperRule is the rule about a call that can blind flow logs without
// deleting them. Which calls these are, only the files say.
func tamperRule(eventSource, eventName string) (Rule, bool) {
	r, ok := loaded().tamper[eventSource][eventName]
	return r, ok
}
