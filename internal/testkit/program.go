package testkit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programPatience is how long a program may take for anything before a test
// gives up; what is expected takes a fraction of it.
const programPatience = 60 * time.Second

// Build builds the programs of cmd into a directory, which the caller removes.
func Build() (dir string, err error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("testkit: where the module is: %w", err)
	}
	if dir, err = os.MkdirTemp("", "peering-programs-"); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/...")
	build.Dir = strings.TrimSpace(string(root))
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("testkit: building the programs: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return dir, nil
}

// Program is one running program.
type Program struct {
	t    testing.TB
	bin  string
	cmd  *exec.Cmd
	URL  string // of its HTTP
	NATS string // of its embedded server, when it listens

	mu     sync.Mutex
	stdout []string
	stderr bytes.Buffer
	exited chan struct{}
}

// StartProgram runs a program of the directory bin until the test ends and
// returns when it has said where it listens.
func StartProgram(t testing.TB, bin string, env []string, program string, args ...string) *Program {
	t.Helper()
	p := LaunchProgram(t, bin, env, program, args...)
	p.Eventually("it says where it listens", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, line := range p.stdout {
			if addr, ok := strings.CutPrefix(line, "http="); ok {
				p.URL = "http://" + addr
			}
			if addr, ok := strings.CutPrefix(line, "nats="); ok {
				p.NATS = "nats://" + addr
			}
		}
		return p.URL != "" && (p.NATS != "" || !strings.Contains(strings.Join(args, " "), "--nats-listen"))
	})
	return p
}

// LaunchProgram runs a program without waiting for anything.
func LaunchProgram(t testing.TB, bin string, env []string, program string, args ...string) *Program {
	t.Helper()
	p := &Program{t: t, bin: bin, exited: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(bin, program), args...)
	p.cmd.Env = append(os.Environ(), env...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var copying sync.WaitGroup
	copying.Go(func() { p.keep(out, func(line string) { p.stdout = append(p.stdout, line) }) })
	copying.Go(func() { p.keep(errs, func(line string) { p.stderr.WriteString(line + "\n") }) })
	go func() {
		copying.Wait()
		_ = p.cmd.Wait() // the exit code is looked at where it matters
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s %v wrote:\n%s", program, args, p.Log())
		}
	})
	return p
}

func (p *Program) keep(r io.Reader, line func(string)) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		line(lines.Text())
		p.mu.Unlock()
	}
}

// Log is what the program has written to its log.
func (p *Program) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// Stdout is what the program has written for other programs.
func (p *Program) Stdout() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.stdout...)
}

// Kill ends the program as kill -9 does and waits until it is gone.
func (p *Program) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone already
	<-p.exited
}

// Stop asks the program to stop and returns its exit code.
func (p *Program) Stop() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	return p.Wait()
}

// PID is the program's process id.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Wait returns the exit code of a program that ends by itself.
func (p *Program) Wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(programPatience):
		p.t.Fatal("the program does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// Ready waits until the program says that it is.
func (p *Program) Ready() *Program {
	p.t.Helper()
	p.Eventually("/readyz answers 200", func() bool { return p.Status("/readyz") == http.StatusOK })
	return p
}

// Status is the HTTP status of a path, 0 when there is no answer.
func (p *Program) Status(path string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// Eventually waits until cond holds, and fails the test when the program ends
// before or it takes too long.
func (p *Program) Eventually(what string, cond func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(programPatience)
	for !cond() {
		select {
		case <-p.exited:
			p.t.Fatalf("waiting until %s: the program ended with code %d", what, p.cmd.ProcessState.ExitCode())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not within %s: %s", programPatience, what)
		}
	}
}

// Answer is what a command of the command line printed and how it ended.
type Answer struct {
	Out, Err string
	Code     int
}

// CLI runs one command against the program.
func (p *Program) CLI(args ...string) Answer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "peering"), append([]string{"--server", p.URL}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return Answer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// Must runs a command that has to succeed and returns what it printed.
func (p *Program) Must(args ...string) string {
	p.t.Helper()
	a := p.CLI(args...)
	if a.Code != 0 {
		p.t.Fatalf("peering %s: exit %d\n%s%s", strings.Join(args, " "), a.Code, a.Out, a.Err)
	}
	return a.Out
}
