# The operator's image for users of Docker and the like:
#
#   docker build --tag flink-operator .
#
# `local-cluster images operator` makes the same image without Docker: it runs the same script and
# reads the settings below, so only instructions it knows may stand in the last stage.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package flink-operator
RUN sh tests/cluster/image/operator-root.sh target/release/flink-operator /image

FROM scratch
COPY --from=build /image/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
LABEL org.opencontainers.image.title="flink-operator" \
      org.opencontainers.image.description="Kubernetes operator for Apache Flink" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 9999:9999
WORKDIR /
ENTRYPOINT ["/flink-operator"]
CMD ["run"]
