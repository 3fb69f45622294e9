package doctor

import (
	"os/exec"
	"strings"
	"testing"
)

// TestI12WhatIsPastedIsOneWord: people paste the command of a fix into a shell. Names in it come from AWS, where an
// attacker may have chosen them, so the shell must read each as one word.
func TestI12WhatIsPastedIsOneWord(t *testing.T) {
	t.Parallel()
	for _, plain := range []string{"arn:aws:events:eu-west-1:111122223333:rule/flowkeeper", "https://sqs.eu-west-1.amazonaws.com/111122223333/q", "/var/lib/flowkeeper/state.db"} {
		if shellWord(plain) != plain {
			t.Errorf("%s is %s", plain, shellWord(plain))
		}
	}
	for _, foreign := range []string{"", "x; touch y", "$(touch y)", "`touch y`", "it's", "'; touch y; '", "a\nb", "~", "*", "é"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(foreign)).Output()
		if err != nil || string(out) != foreign {
			t.Errorf("the shell reads %q as %q, %v", foreign, out, err)
		}
	}
	if f := judgeKey("x; touch y", false, "eu-west-1"); !strings.HasSuffix(f.fix, `--key-id 'x; touch y')"`) {
		t.Errorf("%s", f.fix)
	}
}
