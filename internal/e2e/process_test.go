package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/peering/peering/internal/testkit"
)

var bin string // directory of the built programs

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := testkit.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	return testkit.Main(m)
}

// process is a running program with what these tests ask of it.
type process struct {
	*testkit.Program
	t *testing.T
}

func start(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	return &process{testkit.StartProgram(t, bin, env, program, args...), t}
}

func launch(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	return &process{testkit.LaunchProgram(t, bin, env, program, args...), t}
}

func serve(t *testing.T, data string, more ...string) *process {
	t.Helper()
	p := start(t, nil, "peering", append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0"}, more...)...)
	p.Ready()
	return p
}

// answer is the status and the body of a GET.
func answer(t *testing.T, p *process, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(p.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
