package detection

import (
	"embed"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"

	"flowkeeper/alert"
)

//go:embed rules/*.yml
var files embed.FS

const (
	deletedFile   = "rules/aws_vpc_flow_logs_deleted.yml"
	attemptedFile = "rules/aws_vpc_flow_logs_deletion_attempt_failed.yml"
)

// loaded are the rules by file name. The files are part of the binary, so one
// that can't be read is a fault of the build.
var loaded = sync.OnceValue(func() map[string]Rule {
	out := map[string]Rule{}
	for _, name := range []string{deletedFile, attemptedFile} {
		r, err := load(name)
		if err != nil {
			panic(err)
		}
		out[name] = r
	}
	return out
})

func load(name string) (Rule, error) {
	b, err := files.ReadFile(name)
	if err != nil {
		return Rule{}, err
	}
	var f struct {
		ID    string      `yaml:"id"`
		Title string      `yaml:"title"`
		Level alert.Level `yaml:"level"`
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return Rule{}, fmt.Errorf("%s: %w", name, err)
	}
	return Rule{ID: f.ID, Title: f.Title, Level: f.Level}, nil
}

// Rules are all detections, in the order of their files.
func Rules() []Rule { return []Rule{loaded()[deletedFile], loaded()[attemptedFile]} }
