// Generate makes the accounts of a NATS server from the list of services in the
// file that it is given, or from standard input, and writes them to standard
// output:
//
//	go run ./deploy/nats/generate services.yaml > deploy/nats/accounts.conf
//
// What is wrong with the list goes to standard error, and nothing to the output.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/peering/peering/deploy/nats/accounts"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) > 0 {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	services, err := accounts.Read(in)
	if err != nil {
		return err
	}
	return accounts.Write(out, services)
}
