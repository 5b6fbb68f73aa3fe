package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestRun_readsAFileOrTheInput(t *testing.T) {
	const example = "../services.example.yaml"
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var fromFile, fromInput bytes.Buffer
	if err := run([]string{example}, strings.NewReader("no list"), &fromFile); err != nil {
		t.Fatal(err)
	}
	if err := run(nil, bytes.NewReader(text), &fromInput); err != nil {
		t.Fatal(err)
	}
	if fromFile.String() != fromInput.String() || !strings.Contains(fromFile.String(), "service-provisioning {") {
		t.Errorf("got\n%s\nand\n%s", fromFile.String(), fromInput.String())
	}
}

func TestRun_aBadListGivesNoOutput(t *testing.T) {
	for _, args := range [][]string{nil, {"missing.yaml"}} {
		var out bytes.Buffer
		if err := run(args, strings.NewReader("services: [{name: x}]"), &out); err == nil || out.Len() > 0 {
			t.Errorf("%v: got %v and %q", args, err, out.String())
		}
	}
}
