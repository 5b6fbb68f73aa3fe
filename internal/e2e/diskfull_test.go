package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/peering/peering/internal/testkit"
)

// smallDisk mounts a file system of its own of that many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		testkit.Absent(t, "a small file system can be mounted by root on Linux only")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		testkit.Absent(t, "a small file system cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no space on the disk that dir is on and returns how to free it.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for size := len(block); size > 0; {
		if _, err := f.Write(block[:size]); err != nil {
			size /= 2
		}
	}
	_ = f.Close() // the disk is full: that is what was wanted
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServe_diskFull: writes fail clearly within five seconds, health is red,
// nothing acknowledged is lost, and freeing space heals it without a restart.
func TestServe_diskFull(t *testing.T) {
	disk := smallDisk(t, 48<<20)
	p := serve(t, filepath.Join(disk, "data"), "--demo")
	acknowledged := 5
	add := func(i int) error {
		_, err := tryPost(p, "/api/v1/enterprises/demo-acme/peers", fmt.Sprintf("full-%d", i),
			fmt.Sprintf(`{"type":"external","description":"full %d"}`, i))
		return err
	}
	free := fill(t, disk)
	next := 0
	for ; ; next++ {
		began := time.Now()
		err := add(next)
		if took := time.Since(began); took > 6*time.Second {
			t.Fatalf("write %d took %s", next, took)
		}
		if err != nil {
			t.Logf("write %d is refused after %s: %v", next, time.Since(began).Round(time.Millisecond), err)
			break
		}
		acknowledged++
		if next > 100_000 {
			t.Fatal("the full disk takes everything")
		}
	}
	p.Eventually("health is red", func() bool { return p.Status("/health") == http.StatusServiceUnavailable })
	free()
	p.Eventually("writes work again", func() bool { return add(next) == nil })
	acknowledged++
	p.Eventually("health is green", func() bool { return p.Status("/health") == http.StatusOK })
	n := 0
	p.Eventually("all of them to be shown", func() bool { n = len(p.peers("--all")); return n >= acknowledged })
	if n != acknowledged {
		t.Errorf("%d peers, want %d", n, acknowledged)
	}
	p.Kill()
	again := serve(t, filepath.Join(disk, "data"))
	if n = len(again.peers("--all")); n != acknowledged {
		t.Errorf("after kill -9: %d peers, want %d", n, acknowledged)
	}
}
