// Package deploy owns the files for running the programs in containers:
// nats.conf here, Dockerfile and docker-compose.yml in the root.
//
// It imports nothing and has no code. Its tests hold the files against what the
// programs accept, which they import from config and app.
package deploy
