// Package deploy owns the files for running the programs in containers:
// nats.conf here, Dockerfile and docker-compose.yml in the root; and in nats those
// of a NATS server on which each service of the bus has an account of its own.
//
// It imports nothing and has no code. Its tests hold the files against what the
// programs accept, which they import from config and app.
package deploy
