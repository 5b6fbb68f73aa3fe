package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

// observed writes the access log and keeps the request metrics. It stands
// outside everything else and sees what was really answered.
func (a *api) observed(next http.Handler) (http.Handler, error) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "peering_http_requests_total", Help: "Requests answered, by route and status.",
	}, []string{"method", "route", "status"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "peering_http_request_duration_seconds", Help: "Time to answer a request, by route.",
		Buckets: []float64{.001, .0025, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method", "route"})
	running := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "peering_http_requests_in_progress", Help: "Requests that have arrived and are not answered yet, this one included.",
	})
	if reg := a.opts.Metrics; reg != nil {
		for _, c := range []prometheus.Collector{total, seconds, running} {
			if err := reg.Register(c); err != nil {
				return nil, err
			}
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Inc()
		defer running.Dec()
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		ctx := withCaller(r.Context())
		r = r.WithContext(ctx)
		next.ServeHTTP(rec, r)
		took := time.Since(start)
		method, route := labels(r)
		total.WithLabelValues(method, route, strconv.Itoa(rec.code())).Inc()
		if route != streamPath { // which takes as long as its reader stays
			seconds.WithLabelValues(method, route).Observe(took.Seconds())
		}
		a.log.LogAttrs(ctx, slog.LevelDebug, "request answered",
			slog.String("method", method), slog.String("route", route),
			slog.Int("status", rec.code()), slog.Float64("ms", float64(took.Microseconds())/1000))
	}), nil
}

// labels returns method and route in a form that a caller cannot multiply.
func labels(r *http.Request) (method, route string) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		method = r.Method
	default:
		method = "other"
	}
	route = r.Pattern
	for i := range route {
		if route[i] == ' ' {
			route = route[i+1:]
			break
		}
	}
	if route == "" || route == "/" {
		route = "none"
	}
	return method, route
}

// recovered turns a panic into a 500 with an id under which the log has it.
func (a *api) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.rescue(w, r)
		next.ServeHTTP(w, r)
	})
}

// rescue is deferred: it answers for a handler that panics. When a part of the
// answer is out already it breaks the connection off.
func (a *api) rescue(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == any(http.ErrAbortHandler) {
		panic(v)
	}
	p := problem(codeInternal, "", "Something went wrong here. The log says more.")
	p.Instance = "urn:uuid:" + uuid.NewString()
	a.log.LogAttrs(r.Context(), slog.LevelError, "request panicked",
		slog.String("instance", p.Instance), slog.String("method", r.Method), slog.String("route", r.Pattern),
		slog.String("err", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	p.write(w)
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
