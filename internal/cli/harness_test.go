package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/spf13/cobra"
)

// ran is what a command printed and how it ended.
type ran struct {
	out, err string
	code     int
}

// command runs peering with these arguments against a server; "" is none.
func command(ctx context.Context, server string, args ...string) ran {
	serve := &cobra.Command{Use: "serve", Short: "serve", Example: "  peering serve", RunE: func(*cobra.Command, []string) error { return nil }}
	root := New(serve, "1.2.3")
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	if server != "" {
		args = append([]string{"--server", server}, args...)
	}
	root.SetArgs(args)
	code := run(ctx, root)
	return ran{out.String(), errs.String(), code}
}

// fake answers GET, and everything else, of any path.
func fake(t *testing.T, get, write func(w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			get(w, r)
			return
		}
		write(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	if status/100 != 2 {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}
