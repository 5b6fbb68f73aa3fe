package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/peering/peering/internal/testkit"
)

// TestScript runs the scripts of the command line against one server; each has
// an enterprise of its own, and reads the demo. In a script "peering ARGS" has
// to succeed and "exit CODE ARGS" has to end with that exit code; "alone ARGS"
// gives it a server of its own, and "made NAME ARGS" makes a token, which is in
// $NAME then, and its id in $NAME_id. "publish SUBJECT BODY [HEADER=VALUE…]" stores
// a message by the NATS of such a server, and waits until no command is left to
// handle.
func TestScript(t *testing.T) {
	p := serve(t, t.TempDir(), "--demo")
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join("..", "cli", "testdata", "script"),
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PEERING_SERVER", p.URL)
			env.Setenv("TZ", "UTC")
			env.Setenv("newline", "\n")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"peering": func(ts *testscript.TestScript, neg bool, args []string) {
				plain(ts, neg)
				ends(ts, 0, args)
			},
			"exit": func(ts *testscript.TestScript, neg bool, args []string) {
				plain(ts, neg)
				ends(ts, code(ts, args), args[1:])
			},
			"nonsense": func(ts *testscript.TestScript, neg bool, args []string) {
				plain(ts, neg)
				ends(ts, code(ts, args), slices.Concat(args[1:], []string{"a\x1b[31m\nb"}, tail(args)))
			},
			"alone": func(ts *testscript.TestScript, neg bool, args []string) {
				plain(ts, neg)
				own := serve(t, t.TempDir(), args...)
				ts.Setenv("PEERING_SERVER", own.URL)
				ts.Setenv("NATS", own.NATS)
			},
			"publish": func(ts *testscript.TestScript, neg bool, args []string) {
				plain(ts, neg)
				publish(ts, args)
			},
			"made": func(ts *testscript.TestScript, neg bool, args []string) {
				plain(ts, neg)
				made(ts, args)
			},
			"get": func(ts *testscript.TestScript, neg bool, args []string) {
				plain(ts, neg)
				get(ts, p.URL+args[0])
			},
		},
	})
}

// tail completes a command whose last argument is a flag that takes the nonsense.
func tail(args []string) []string {
	if args[len(args)-1] == "--reason" {
		return []string{"Description"}
	}
	return nil
}

func plain(ts *testscript.TestScript, neg bool) {
	if neg {
		ts.Fatalf("say which exit code is expected: exit CODE ARGS")
	}
}

func code(ts *testscript.TestScript, args []string) int {
	if len(args) == 0 {
		ts.Fatalf("usage: exit CODE ARGS")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	return n
}

// ends runs the command line and checks its exit code.
func ends(ts *testscript.TestScript, want int, args []string) {
	got := 0
	err := ts.Exec(filepath.Join(bin, "peering"), args...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("peering %q: exit code %d, want %d", args, got, want)
	}
}

// made makes a token that the script can use.
func made(ts *testscript.TestScript, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: made NAME ARGS")
	}
	ends(ts, 0, append([]string{"-o", "json", "token", "create"}, args[1:]...))
	var token struct{ ID, Token string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &token))
	ts.Setenv(args[0], token.Token)
	ts.Setenv(args[0]+"_id", token.ID)
}

// get is what HTTP itself answers.
func get(ts *testscript.TestScript, url string) {
	resp, err := http.Get(url)
	ts.Check(err)
	defer resp.Body.Close()
	_, err = io.Copy(ts.Stdout(), resp.Body)
	ts.Check(err)
}

// publish stores a message at the NATS server that the script has for itself.
func publish(ts *testscript.TestScript, args []string) {
	if len(args) < 2 || ts.Getenv("NATS") == "" {
		ts.Fatalf("usage: publish SUBJECT BODY [HEADER=VALUE…], after alone --nats-listen")
	}
	nc, err := nats.Connect(ts.Getenv("NATS"))
	ts.Check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	m := nats.NewMsg(args[0])
	m.Data = []byte(args[1])
	for _, h := range args[2:] {
		name, value, _ := strings.Cut(h, "=")
		m.Header[name] = []string{value}
	}
	_, err = js.PublishMsg(ctx, m)
	ts.Check(err)
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		queue, err := js.Stream(ctx, "PEERING_COMMANDS")
		ts.Check(err)
		if queue.CachedInfo().State.Msgs == 0 {
			tick.Stop()
			return
		}
		<-tick.C
	}
}
