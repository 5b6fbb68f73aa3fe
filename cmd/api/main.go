// API decides: the HTTP API on a NATS server and a database.
package main

import (
	"os"

	"github.com/peering/peering/internal/app"
	"github.com/peering/peering/internal/cli"
	"github.com/peering/peering/internal/config"
)

func main() {
	os.Exit(cli.Main(app.Command(config.API)))
}
