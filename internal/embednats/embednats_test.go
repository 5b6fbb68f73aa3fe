package embednats_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testkit.Background()...) }

// stream connects and makes a stream, or finds the one that is there.
func stream(t *testing.T, s *embednats.Server, maxBytes int64) jetstream.JetStream {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js := testkit.JetStream(t, nc)
	_, err = js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestStart_keepsStreamsOverAStop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "start")
	for want := uint64(1); want <= 3; want++ {
		s, err := embednats.Start(embednats.Options{Dir: dir, SyncAlways: true})
		if err != nil {
			t.Fatal(err)
		}
		ack, err := stream(t, s, 1<<20).Publish(t.Context(), "s", nil)
		if err != nil || ack.Sequence != want {
			t.Errorf("start %d: got %+v, %v", want, ack, err)
		}
		if s.Addr() != "" {
			t.Errorf("it listens on %s without being asked", s.Addr())
		}
		s.Shutdown()
		s.Shutdown()
		if err := s.Heal(); err == nil {
			t.Error("a server that has stopped was healed")
		}
	}
}

func TestStart_listensWhereAsked(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "localhost:0", "[::1]:0"} {
		s, err := embednats.Start(embednats.Options{Dir: t.TempDir(), Listen: listen})
		var missing *net.OpError
		if errors.As(err, &missing) && strings.Contains(listen, "::1") {
			t.Logf("no IPv6 here: %v", err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		nc := testkit.Connect(t, "nats://"+s.Addr())
		if err := nc.Flush(); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
		nc.Close()
		s.Shutdown()
	}
}

func TestStart_saysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := t.TempDir()
	for name, c := range map[string]struct {
		o    embednats.Options
		want string
	}{
		"no directory":       {embednats.Options{}, "no data directory"},
		"a file":             {embednats.Options{Dir: file}, "cannot be made"},
		"below a file":       {embednats.Options{Dir: filepath.Join(file, "x")}, "cannot be made"},
		"port in use":        {embednats.Options{Dir: good, Listen: taken.Addr().String()}, "address already in use"},
		"no port":            {embednats.Options{Dir: good, Listen: "127.0.0.1"}, "missing port"},
		"a port name":        {embednats.Options{Dir: good, Listen: "127.0.0.1:nats"}, "not a number"},
		"a port too high":    {embednats.Options{Dir: good, Listen: "127.0.0.1:70000"}, "not a number"},
		"every interface":    {embednats.Options{Dir: good, Listen: "0.0.0.0:0"}, "not a loopback address"},
		"no host":            {embednats.Options{Dir: good, Listen: ":4222"}, "not a loopback address"},
		"another machine":    {embednats.Options{Dir: good, Listen: "192.0.2.1:4222"}, "not a loopback address"},
		"a name of a server": {embednats.Options{Dir: good, Listen: "nats.example:4222"}, "not a loopback address"},
	} {
		s, err := embednats.Start(c.o)
		if err == nil {
			s.Shutdown()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestStart_aDirectoryThatCannotBeWrittenToIsRefused(t *testing.T) {
	if os.Geteuid() == 0 {
		dir := small(t, "1m")
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=1m"); err != nil {
			testkit.Absent(t, "a file system cannot be mounted read-only here: "+err.Error())
		}
		refused(t, dir)
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	refused(t, dir)
}

func refused(t *testing.T, dir string) {
	t.Helper()
	s, err := embednats.Start(embednats.Options{Dir: dir})
	if err == nil {
		s.Shutdown()
	}
	if err == nil || !strings.Contains(err.Error(), "cannot be written to") {
		t.Errorf("got %v, want that the directory cannot be written to", err)
	}
}

func TestLogger_getsTheServersWords(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := embednats.Start(embednats.Options{Dir: t.TempDir(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	if !strings.Contains(out.String(), "component=nats-server") || !strings.Contains(out.String(), "Server is ready") {
		t.Errorf("got %s", out.String())
	}
}

// small mounts a file system of its own that is soon full.
func small(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		testkit.Absent(t, "only root can mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("peering-test", dir, "tmpfs", 0, "size="+size); err != nil {
		testkit.Absent(t, "a tmpfs cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// TestHeal_afterTheDiskWasFull fills the disk, sees publishes fail even after
// space is free again, and writes on after Heal, with nothing acknowledged lost.
func TestHeal_afterTheDiskWasFull(t *testing.T) {
	dir := small(t, "24m")
	s, err := embednats.Start(embednats.Options{Dir: filepath.Join(dir, "data"), SyncAlways: true, MaxStore: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	js := stream(t, s, 512<<20)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	publish := func() error {
		_, err := js.Publish(t.Context(), "s", bytes.Repeat([]byte("x"), 64<<10), jetstream.WithRetryAttempts(0))
		return err
	}
	acknowledged := uint64(0)
	js = quick(t, s)
	for err = publish(); err == nil; err = publish() {
		acknowledged++
	}
	t.Logf("full after %d messages: %v", acknowledged, err)
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the check says %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := publish(); err == nil {
		t.Log("the server writes again by itself")
	}
	if err := s.Heal(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a publish after healing", func() bool { return publish() == nil })
	if err := s.Check(); err != nil {
		t.Errorf("after healing the check says %v", err)
	}
	info, err := js.Stream(t.Context(), "S")
	if err != nil || info.CachedInfo().State.Msgs <= acknowledged {
		t.Errorf("%d acknowledged before, now %+v, %v", acknowledged, info.CachedInfo().State, err)
	}
}

// quick is an interface that does not wait long for an answer that never comes.
func quick(t *testing.T, s *embednats.Server) jetstream.JetStream {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return js
}
