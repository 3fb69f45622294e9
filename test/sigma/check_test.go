package sigma_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowkeeper/internal/detection"
	"flowkeeper/test/python"
)

// TestSigmaCheck: sigma-cli reports no problem in the rules, but reports one in rules that are broken on
// purpose.
func TestSigmaCheck(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, files map[string]string) error {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := run(t, nil, python.Program(tools(t), "sigma"), "check", "--validation-config", "validation.yml", "--fail-on-issues", dir)
		return err
	}
	whole := files(t)
	if err := check(t, whole); err != nil {
		t.Error(err)
	}
	first, second := detection.Rules()[0], detection.Rules()[1]
	for name, faulty := range map[string]map[string]string{
		"the same ID twice":      {first.File: whole[first.File], second.File: strings.Replace(whole[second.File], second.ID, first.ID, 1)},
		"an unknown status":      {first.File: strings.Replace(whole[first.File], "status: stable", "status: fine", 1)},
		"a condition of nothing": {first.File: strings.Replace(whole[first.File], "condition: selection", "condition: another", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := check(t, faulty); err == nil {
				t.Error("sigma-cli reports no problem")
			}
		})
	}
}
