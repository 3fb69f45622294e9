package configs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"flowkeeper/configs"
)

// The defaults, the file and the environment make one configuration; the environment wins.
func ExampleLoad() {
	file := inFile("queue:\n  url: arn:aws:sqs:eu-west-1:111122223333:flowkeeper\n  wait_time: 5s\n")
	defer os.RemoveAll(filepath.Dir(file))

	c, _, err := configs.Load(file, configs.Options{Environ: []string{"FLOWKEEPER_LOG_LEVEL=debug"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Queue.WaitTime, c.Queue.VisibilityTimeout, c.Log.Level)
	// Output:
	// 5s 1m0s debug
}

// Load returns all problems at once, each with its line, its key and what to write.
func ExampleLoad_problems() {
	file := inFile("queue:\n  wait_tme: 5s\nremediate:\n  mode: restor\n")
	defer os.RemoveAll(filepath.Dir(file))

	_, _, err := configs.Load(file, configs.Options{})
	if problems, ok := errors.AsType[*configs.Problems](err); ok {
		for _, p := range *problems {
			fmt.Printf("line %d, %s: %s\n", p.Line, p.Key, p.Message)
		}
	}
	// Output:
	// line 2, queue.wait_tme: no such key: did you mean wait_time?
	// line 4, remediate.mode: did you mean restore? write one of restore, alert
}

// inFile writes the text to a temporary file.
func inFile(text string) string {
	dir, err := os.MkdirTemp("", "flowkeeper-example-")
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "flowkeeper.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return file
}
