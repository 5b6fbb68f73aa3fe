// Projector follows the log and keeps the read models in a database.
package main

import (
	"os"

	"github.com/peering/peering/internal/app"
	"github.com/peering/peering/internal/cli"
	"github.com/peering/peering/internal/config"
)

func main() {
	os.Exit(cli.Main(app.Command(config.Projector)))
}
