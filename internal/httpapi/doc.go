// Package httpapi owns the HTTP API: who a caller is, the routes under /api/v1 for
// enterprises, peers, trusted servers, tokens, the history and the stream of
// events, many changes at once, projections and what they could not apply; the
// operational routes (/livez, /readyz, /health, /metrics), /.well-known/peering,
// the OpenAPI document with the page at /docs that shows it, and the problem
// documents that refusals are answered with.
//
// It may import access, command, readmodel, domain and events. A write becomes a
// command.Request and goes to the write loop; a read is a query of the read
// model. It decides nothing: rights are in access, rules in domain, tables in
// readmodel. What it keeps is about callers: how often they ask, and the readers
// of the stream. The app package gives it its back ends and serves what New
// returns.
package httpapi
