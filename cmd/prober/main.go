// Prober looks outside: it follows the log for the peers that are to be probed.
package main

import (
	"os"

	"github.com/peering/peering/internal/app"
	"github.com/peering/peering/internal/cli"
	"github.com/peering/peering/internal/config"
)

func main() {
	os.Exit(cli.Main(app.Command(config.Prober)))
}
