package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/readmodel"
)

const firstToken = "first-0123456789abcdef0123456789abcdef"

// elsewhere is a configuration that listens where others reach it; nothing here
// really does.
func elsewhere(t *testing.T, environ ...string) config.Config {
	t.Helper()
	c, _, err := config.Load(config.API, config.Sources{Environ: append([]string{
		"PEERING_LISTEN=0.0.0.0:0", "NATS_URL=nats://127.0.0.1:1", "PEERING_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "p.db"),
	}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tokenFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

// tokens are those of the database that c names.
func tokens(t *testing.T, c config.Config) *access.Keeper {
	t.Helper()
	db, err := readmodel.Open(t.Context(), c.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return access.NewKeeper(db.Tokens(), access.Options{})
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestAdmit_nobodyListensForOthersWithoutAToken(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80", "peering.example:80"} {
		c := elsewhere(t)
		c.Listen = listen
		var out strings.Builder
		err := Run(t.Context(), c, &out, discard())
		faults, ok := config.AsFaults(err)
		if !ok || !faults.Usage() || faults[0].Setting != "listen" || out.Len() > 0 {
			t.Fatalf("%s: got %v, and %q on standard output", listen, err, out.String())
		}
		for _, want := range []string{"PEERING_ADMIN_TOKEN_FILE", "peering token create --role admin"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s is not named in %v", want, err)
			}
		}
	}
}

func TestAdmit_theFileHasTheFirstTokenAndNoOther(t *testing.T) {
	var log strings.Builder
	c := elsewhere(t, "PEERING_ADMIN_TOKEN_FILE="+tokenFile(t, "\n "+firstToken+"\r\n", 0o444))
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if err := admit(t.Context(), c, logger); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "not encrypted") {
		t.Errorf("nobody is told that tokens go unencrypted: %s", log.String())
	}
	keeper := tokens(t, c)
	who, err := keeper.Authenticate(t.Context(), firstToken)
	if err != nil || who.Role != access.Admin || !who.SeesAll() {
		t.Fatalf("got %+v, %v", who, err)
	}
	changed := strings.Replace(firstToken, "first", "other", 1)
	c.AdminTokenFile = tokenFile(t, changed, 0o600)
	if err := admit(t.Context(), c, logger); err != nil {
		t.Fatal(err)
	}
	if _, err := keeper.Authenticate(t.Context(), changed); !errors.Is(err, access.ErrUnknown) {
		t.Errorf("the changed file has made a token: %v", err)
	}
	c.AdminTokenFile = "" // a token is all that it takes
	if err := admit(t.Context(), c, logger); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), firstToken) || strings.Contains(log.String(), changed) {
		t.Errorf("the log has a token: %s", log.String())
	}
}

func TestAdmit_aFileWithoutATokenIsWrongUsage(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "space": " \n", "short": "hunter2-hunter2", "two": firstToken + "\n" + firstToken, "binary": "\x00\xff" + firstToken} {
		c := elsewhere(t, "PEERING_ADMIN_TOKEN_FILE="+tokenFile(t, text, 0o600))
		for _, listen := range []string{"0.0.0.0:0", "127.0.0.1:0"} {
			c.Listen = listen
			err := Run(t.Context(), c, io.Discard, discard())
			if faults, ok := config.AsFaults(err); !ok || faults[0].Setting != "admin_token_file" {
				t.Errorf("%s on %s: got %v", name, listen, err)
			}
			if err != nil && len(text) > 8 && strings.Contains(err.Error(), text[:8]) {
				t.Errorf("%s: the error repeats the file: %v", name, err)
			}
		}
	}
	_, _, err := config.Load(config.API, config.Sources{Environ: []string{
		"NATS_URL=nats://127.0.0.1:1", "PEERING_DATABASE_URL=sqlite:x", "PEERING_ADMIN_TOKEN_FILE=" + filepath.Join(t.TempDir(), "none"),
	}})
	if err == nil || !strings.Contains(err.Error(), "PEERING_ADMIN_TOKEN_FILE") {
		t.Errorf("a file that is missing: %v", err)
	}
}

// TestAdmit_waitsForTheDatabase: until it is known whether there is a token,
// nothing listens; being asked to stop ends that.
func TestAdmit_waitsForTheDatabase(t *testing.T) {
	c := elsewhere(t)
	c.DatabaseURL = "postgres://nobody@127.0.0.1:1/none"
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := admit(ctx, c, discard()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	c.Listen = "127.0.0.1:0"
	if err := admit(ctx, c, discard()); err != nil {
		t.Errorf("on loopback: %v", err)
	}
}
