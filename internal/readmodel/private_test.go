package readmodel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/peering/peering/internal/testkit"
)

// TestOpen_nobodyElseReadsTheFilesOfSQLite: whatever the directory is like, and
// whenever it came.
func TestOpen_nobodyElseReadsTheFilesOfSQLite(t *testing.T) {
	for _, later := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "data")
		path := filepath.Join(dir, "peering.db")
		db := connect(t, "sqlite:"+path)
		if later {
			unavailableNow(t, db)
		}
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o755)); err != nil { // #nosec G302 -- what is tested
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		prepare(t, db)
		for _, file := range []string{path, path + "-wal", path + "-shm"} {
			if mode := modeOf(t, file); mode != 0o600 {
				t.Errorf("later %t: %s has mode %o", later, filepath.Base(file), mode)
			}
		}
	}
}

func TestOpen_leavesTheModeOfAFileAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peering.db")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o640)); err != nil { // #nosec G302 -- what is tested
		t.Fatal(err)
	}
	prepare(t, open(t, testkit.Database{Name: "SQLite", URL: "sqlite:" + path}))
	if mode := modeOf(t, path); mode != 0o640 {
		t.Errorf("the mode is %o", mode)
	}
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
