# One image for each program, chosen by target:
#   docker build --target api -t peering-api .
# Targets: peering (the command line, and everything in one process), api,
# projector, prober. Each holds one static binary, certificates and nothing else.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/ ./cmd/... \
 && mkdir -m 0700 /data

FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/bin/program", "--healthcheck"]
ENTRYPOINT ["/bin/program"]

FROM base AS api
COPY --from=build /out/api /bin/program

FROM base AS projector
COPY --from=build /out/projector /bin/program

FROM base AS prober
COPY --from=build /out/prober /bin/program

FROM base AS peering
COPY --from=build /out/peering /bin/program
COPY --from=build --chown=65532:65532 /data /data
VOLUME /data
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/bin/program", "serve", "--healthcheck"]
CMD ["serve", "--data", "/data"]
