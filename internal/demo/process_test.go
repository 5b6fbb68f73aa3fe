package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/demo"
	"github.com/peering/peering/internal/testkit"
)

// TestMain makes this program one of the demo's servers when it is asked to, as
// the product does.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == demo.Subcommand {
		if err := demo.Main(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(testkit.Main(m))
}

// logged is a log that a test can read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines are those with a message, as JSON objects.
func (l *logged) lines(t *testing.T, message string) (out []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprint(fields["msg"]), message) {
			out = append(out, fields)
		}
	}
	return out
}

// runKit runs the servers in processes of this program until stop.
func runKit(t *testing.T, k *demo.Kit) (log *logged, stop func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log = &logged{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx, program, slog.New(slog.NewJSONHandler(log, nil))) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return log, stop
}

// version asks a server as a prober would.
func version(t *testing.T, k *demo.Kit, s demo.Server) string {
	t.Helper()
	pool := x509.NewCertPool()
	if err := k.Roots(pool); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: pool, ServerName: certificate(t, s.Cert).DNSNames[0],
	}}}
	resp, err := client.Get("https://" + address(s) + "/.well-known/peering")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var told struct{ Version string }
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	return told.Version
}

func address(s demo.Server) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

func refused(s demo.Server) bool {
	conn, err := net.DialTimeout("tcp", address(s), time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}

func TestRun_serversTellTheirVersionsUntilItEnds(t *testing.T) {
	k := open(t, kitFile(t), time.Now())
	log, stop := runKit(t, k)
	testkit.Eventually(t, "three servers", func() bool { return len(log.lines(t, "is there")) == 3 })
	for _, name := range []string{"berlin", "lyon", "madrid"} {
		if s := k.Server(name); version(t, k, s) != s.Version {
			t.Errorf("%s tells %q, want %q", name, version(t, k, s), s.Version)
		}
	}
	if !refused(k.Server("oslo")) {
		t.Error("somebody serves Oslo")
	}
	stop()
	for _, s := range k.Servers {
		if !refused(s) {
			t.Errorf("%s serves on after the end", s.Name)
		}
	}
	if lines := log.lines(t, "has ended"); len(lines) > 0 {
		t.Errorf("the end was called one of a server: %v", lines)
	}
}

// TestRun_portThatIsTakenIsLogged: and the others serve.
func TestRun_portThatIsTakenIsLogged(t *testing.T) {
	k := open(t, kitFile(t), time.Now())
	l, err := net.Listen("tcp", address(k.Server("berlin")))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	log, _ := runKit(t, k)
	testkit.Eventually(t, "two servers, and one that cannot", func() bool {
		return len(log.lines(t, "is there")) == 2 && len(log.lines(t, "has ended")) == 1
	})
	if got := log.lines(t, "has ended")[0]; got["server"] != "berlin" || got["level"] != "WARN" {
		t.Errorf("logged is %v", got)
	}
	if got := version(t, k, k.Server("lyon")); got != "9.7.1.105" {
		t.Errorf("Lyon tells %q", got)
	}
}

func TestRun_programThatIsNotThereIsLogged(t *testing.T) {
	k := open(t, kitFile(t), time.Now())
	log := &logged{}
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 1)
	go func() {
		cancelled <- k.Run(ctx, kitFile(t), slog.New(slog.NewJSONHandler(log, nil)))
	}()
	testkit.Eventually(t, "what is wrong to be logged", func() bool { return len(log.lines(t, "has ended")) == 3 })
	cancel()
	<-cancelled
	if got := fmt.Sprint(log.lines(t, "has ended")[0]["err"]); !strings.Contains(got, "no such file") {
		t.Errorf("logged is %q", got)
	}
}

// served runs one server until in or ctx ends.
func served(ctx context.Context, t *testing.T, s demo.Server) (feed io.Closer, ended <-chan error) {
	t.Helper()
	in, fed := io.Pipe()
	said, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- demo.Main(ctx, in, out) }()
	t.Cleanup(func() { _ = fed.Close() }) // what is left of a read ends as well
	if err := json.NewEncoder(fed).Encode(s); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	if refused(s) {
		t.Error("it is ready and does not serve")
	}
	return fed, done
}

// TestMain_endsWithItsInputOrItsContext: whoever started the process has gone, in
// whatever way, or somebody has signalled it to end.
func TestMain_endsWithItsInputOrItsContext(t *testing.T) {
	for name, end := range map[string]func(io.Closer, context.CancelFunc) error{
		"input":   func(feed io.Closer, _ context.CancelFunc) error { return feed.Close() },
		"context": func(_ io.Closer, cancel context.CancelFunc) error { cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, kitFile(t), time.Now()).Server("berlin")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			feed, ended := served(ctx, t, s)
			if err := end(feed, cancel); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if !refused(s) {
				t.Error("it serves on")
			}
		})
	}
}

// TestMain_endsWithItsContextBeforeItKnowsWhatToServe: nothing was said to it yet.
func TestMain_endsWithItsContextBeforeItKnowsWhatToServe(t *testing.T) {
	in, feed := io.Pipe()
	defer feed.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := demo.Main(ctx, in, io.Discard); err != nil {
		t.Error(err)
	}
}

func TestMain_saysWhatIsWrong(t *testing.T) {
	s := open(t, kitFile(t), time.Now()).Server("berlin")
	keyless := s
	keyless.Key = ""
	for name, c := range map[string]struct{ in, says string }{
		"nothing":         {"", "EOF"},
		"no server":       {"[]\n", "cannot unmarshal"},
		"no key":          {encoded(t, keyless), "berlin"},
		"no room to talk": {encoded(t, s), "berlin"},
	} {
		out := io.Discard
		if name == "no room to talk" {
			said, broken := io.Pipe()
			_ = said.Close()
			out = broken
		}
		if err := demo.Main(t.Context(), strings.NewReader(c.in), out); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want it to say %q", name, err, c.says)
		}
	}
	if !refused(s) {
		t.Error("one that failed serves on")
	}
}

func encoded(t *testing.T, s demo.Server) string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + "\n"
}
