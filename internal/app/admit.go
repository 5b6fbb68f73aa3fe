package app

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/readmodel"
)

// checkFiles refuses what could not be used later, in files and in what is said
// of probing, before anything listens.
func checkFiles(c config.Config, log *slog.Logger) error {
	var faults config.Faults
	if c.Role == config.Serve || c.Role == config.Prober {
		_, err := newProbe(c, nil)
		wrong, _ := config.AsFaults(err)
		faults = append(faults, wrong...)
	}
	if c.TLSCert != "" {
		if _, err := loadCertificate(c.TLSCert, c.TLSKey, log); err != nil {
			faults = append(faults, config.Fault{Setting: "tls_cert", Problem: err.Error()})
		}
	}
	if c.AdminTokenFile != "" {
		if _, err := adminToken(c.AdminTokenFile); err != nil {
			faults = append(faults, config.Fault{Setting: "admin_token_file", Problem: err.Error()})
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// admit refuses to listen where others than this machine reach the program
// while nobody needs a token to do everything. It waits for a database that does
// not answer: until it is known whether there is a token, nothing listens. On
// loopback it does nothing.
func admit(ctx context.Context, c config.Config, log *slog.Logger) (err error) {
	if c.ListensOnLoopback() {
		return nil
	}
	db, err := openDatabase(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	keeper, err := newKeeper(ctx, c, db, log)
	if err != nil {
		return err
	}
	any, err := keeper.Any(ctx)
	if err == nil && !any {
		err = config.Faults{{Setting: "listen", Problem: c.Listen + " can be reached by others, and there is no token, so that whoever reaches it would be an administrator. " +
			"Make the first one: either give a file with it in PEERING_ADMIN_TOKEN_FILE, or start once on 127.0.0.1 and run: peering token create --role admin"}}
	}
	if err == nil && c.TLSCert == "" {
		log.Warn("tokens and answers are not encrypted on their way: set tls_cert and tls_key, or put something in front that encrypts", "listen", c.Listen)
	}
	return err
}

// newKeeper opens the tokens, and gives a deployment that has none its first one
// if the configuration has it.
func newKeeper(ctx context.Context, c config.Config, db *readmodel.DB, log *slog.Logger) (*access.Keeper, error) {
	keeper := access.NewKeeper(db.Tokens(), access.Options{Logger: log})
	if c.AdminTokenFile == "" {
		return keeper, nil
	}
	secret, err := adminToken(c.AdminTokenFile)
	if err != nil {
		return nil, config.Faults{{Setting: "admin_token_file", Problem: err.Error()}}
	}
	never := func(error) bool { return false }
	err = untilItWorks(ctx, log, "the first token", never, func(ctx context.Context) error {
		made, err := keeper.EnsureFirst(ctx, secret, "admin_token_file")
		if made {
			log.Info("the deployment had no token; the one of the file is its first")
		}
		return err
	})
	return keeper, err
}

// adminToken reads the token that the file has. The error does not repeat it.
func adminToken(file string) (string, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- the configured file
	if err != nil {
		return "", err
	}
	return access.ParseSecret(string(text))
}

// keepTokens opens the tokens for the API.
func (p *process) keepTokens(ctx context.Context) error {
	db, err := p.tables.get(ctx)
	if err != nil {
		return err
	}
	keeper, err := newKeeper(ctx, p.cfg, db, p.log)
	if err != nil {
		return err
	}
	p.tokens.keep(keeper)
	p.late.tokens.Store(keeper)
	return keeper.Run(ctx)
}
