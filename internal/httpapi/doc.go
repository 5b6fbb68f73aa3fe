// Package httpapi owns the JSON API: the routes under /api/v1 for enterprises,
// peers and trusted servers, the operational routes (/livez, /readyz, /health,
// /metrics), the OpenAPI document that describes them, and the problem
// documents that refusals are answered with.
//
// It imports command, readmodel, domain and events. A write becomes a
// command.Request and goes to the write loop; a read is a query of the read
// model. It decides nothing and keeps nothing: rules are in domain, tables in
// readmodel. The app package gives it its back ends and serves what New returns.
package httpapi
