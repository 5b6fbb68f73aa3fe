package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// dataFormat is the layout of the data directory that this program writes.
// Raise it when an older program could no longer read what a newer one leaves.
const dataFormat = 1

// dataDir is the data directory while this process owns it (ADR 0011).
type dataDir struct {
	path string
	lock *flock.Flock
}

// formatFile says in the directory who wrote it.
type formatFile struct {
	Format  int    `json:"format"`
	Version string `json:"written_by"`
}

// openData makes the directory when it is missing, takes its lock and checks
// its format. The lock dies with the process, so that nothing has to be cleaned
// up after a crash. An error says what to do; nothing was changed then.
func openData(path, version string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock := flock.New(filepath.Join(path, "lock"), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("data directory %s is in use by another process; stop it, or choose another directory with --data", path)
	}
	d := &dataDir{path: path, lock: lock}
	if err := d.checkFormat(version); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *dataDir) checkFormat(version string) error {
	file := filepath.Join(d.path, "format.json")
	text, err := os.ReadFile(file) // #nosec G304 -- below the configured directory
	if errors.Is(err, fs.ErrNotExist) {
		return d.writeFormat(file, version)
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	var found formatFile
	if err := json.Unmarshal(text, &found); err != nil || found.Format < 1 {
		return fmt.Errorf("data directory %s: %s is not readable; restore it from a backup", d.path, file)
	}
	if found.Format > dataFormat {
		return fmt.Errorf("data directory %s has format %d, written by peering %s; this is peering %s, which reads formats up to %d: use the newer program",
			d.path, found.Format, found.Version, version, dataFormat)
	}
	if found.Format == dataFormat && found.Version == version {
		return nil
	}
	return d.writeFormat(file, version)
}

// writeFormat replaces the file as a whole: a crash leaves the old or the new.
func (d *dataDir) writeFormat(file, version string) error {
	text, err := json.Marshal(formatFile{Format: dataFormat, Version: version})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(d.path, "format-*")
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Close gives the directory up.
func (d *dataDir) Close() error { return d.lock.Unlock() }
