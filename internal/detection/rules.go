package detection

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"

	"flowkeeper/alert"
)

//go:embed rules/*.yml
var files embed.FS

// The rules that the code refers to; every other file is about tampering.
const (
	deletedFile   = "aws_vpc_flow_logs_deleted.yml"
	attemptedFile = "aws_vpc_flow_logs_deletion_attempt_failed.yml"
	createdFile   = "aws_vpc_flow_logs_created.yml"
)

// SigmaRule has the fields of a Sigma file that are used. Its JSON is a public contract.
type SigmaRule struct {
	Rule
	Description    string   `json:"description"`
	EventSource    string   `json:"event_source"`
	EventNames     []string `json:"event_names"`
	Tags           []string `json:"tags,omitempty"`
	References     []string `json:"references,omitempty"`
	FalsePositives []string `json:"false_positives,omitempty"`
	File           string   `json:"file"` // its name, without a directory
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
	tamper map[event]Rule
}

// event is a call as records name it.
type event struct{ source, name string }

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
	c := &catalog{byFile: map[string]Rule{}, tamper: map[event]Rule{}}
	for _, name := range names {
		r, err := read(files, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.list = append(c.list, r)
		c.byFile[r.File] = r.Rule
		if slices.Contains(ownFiles, r.File) {
			continue
		}
		for _, name := range r.EventNames {
			c.tamper[event{r.EventSource, name}] = r.Rule
		}
	}
	slices.SortStableFunc(c.list, func(a, b SigmaRule) int { return place(a.File) - place(b.File) })
	return c, nil
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
	r, ok := loaded().tamper[event{eventSource, eventName}]
	return r, ok
}

// sigmaFile is the part of the Sigma format that our rules use.
type sigmaFile struct {
	ID             string      `yaml:"id"`
	Title          string      `yaml:"title"`
	Level          alert.Level `yaml:"level"`
	Description    string      `yaml:"description"`
	Tags           []string    `yaml:"tags"`
	References     []string    `yaml:"references"`
	FalsePositives []string    `yaml:"falsepositives"`
	Detection      struct {
		Selection struct {
			EventSource string `yaml:"eventSource"`
			EventNames  names  `yaml:"eventName"`
		} `yaml:"selection"`
	} `yaml:"detection"`
}

// names are one name, or a list of them.
type names []string

func (n *names) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*n = names{node.Value}
		return nil
	}
	return node.Decode((*[]string)(n))
}

func read(files fs.FS, name string) (SigmaRule, error) {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		return SigmaRule{}, err
	}
	var f sigmaFile
	if err := yaml.Unmarshal(b, &f); err != nil {
		return SigmaRule{}, err
	}
	s := f.Detection.Selection
	if f.ID == "" || f.Title == "" || f.Level == "" || s.EventSource == "" || len(s.EventNames) == 0 {
		return SigmaRule{}, errors.New("needs id, title, level, and a selection with eventSource and eventName")
	}
	return SigmaRule{
		Rule: Rule{ID: f.ID, Title: f.Title, Level: f.Level}, File: path.Base(name),
		Description: f.Description, Tags: f.Tags, References: f.References, FalsePositives: f.FalsePositives,
		EventSource: s.EventSource, EventNames: s.EventNames,
	}, nil
}
