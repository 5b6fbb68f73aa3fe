// Package bench owns the benchmarks that cross packages: each runs the product
// beside its reference in the same run and reports the ratio, because absolute
// figures differ between machines and minutes. `make bench` runs them all;
// CHANGELOG and ADRs quote no figure that cannot be had from here.
//
// It may import everything. Benchmarks of one package stand beside its code.
package bench
