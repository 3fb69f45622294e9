package detection

import (
	"errors"
	"io/fs"
	"path"

	"go.yaml.in/yaml/v3"

	"flowkeeper/alert"
)

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
