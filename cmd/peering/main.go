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
	root := cli.New(app.Command(config.Serve), app.Version())
	root.AddCommand(app.DemoPeer())
	os.Exit(cli.Main(root))
}
