// Peering is the command line, and with "peering serve" every role in one
// process.
package main

import (
	"os"

	"github.com/peering/peering/internal/app"
	"github.com/peering/peering/internal/cli"
	"github.com/peering/peering/internal/config"
)

func main() {
	os.Exit(cli.Main(cli.New(app.Command(config.Serve), app.Version())))
}
