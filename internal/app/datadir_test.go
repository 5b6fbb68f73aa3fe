package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenData_secondProcessIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	d, err := openData(dir, "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openData(dir, "1"); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v, want it to say who has it", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openData(dir, "1")
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenData_olderProgramRefusesNewerDataNamingBoth(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, `{"format":99,"written_by":"7.0.0"}`)
	_, err := openData(dir, "0.1.0")
	if err == nil || !strings.Contains(err.Error(), "7.0.0") || !strings.Contains(err.Error(), "0.1.0") {
		t.Errorf("got %v, want both versions", err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "format.json")); !strings.Contains(string(text), "99") {
		t.Errorf("the file was changed: %s", text)
	}
}

func TestOpenData_newerProgramTakesOlderData(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, `{"format":1,"written_by":"0.0.1"}`)
	d, err := openData(dir, "0.2.0")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if text, _ := os.ReadFile(filepath.Join(dir, "format.json")); !strings.Contains(string(text), "0.2.0") {
		t.Errorf("the new writer is not noted: %s", text)
	}
}

func TestOpenData_damagedFormatFileIsNotGuessed(t *testing.T) {
	for _, text := range []string{"", "{", `{"format":0}`, "null"} {
		dir := t.TempDir()
		write(t, dir, text)
		if _, err := openData(dir, "1"); err == nil || !strings.Contains(err.Error(), "not readable") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestOpenData_pathThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openData(file, "1"); err == nil {
		t.Error("accepted")
	}
}

func write(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "format.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
