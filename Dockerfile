# Static on musl, so that the last stage holds nothing but the binary and the CA roots.
FROM rust:1-alpine AS build
RUN apk add --no-cache ca-certificates musl-dev
WORKDIR /src
# No .git gets in: docker build --build-arg REVISION="$(git rev-parse --short=12 HEAD)" says what it is.
ARG REVISION=unknown
ENV CARDINALITY_GUARD_REVISION=$REVISION
# As little as .dockerignore lets in.
COPY . .
RUN cargo build --release --locked --bin cardinality-guard \
    && mkdir /empty

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/cardinality-guard /cardinality-guard
# Where the guard keeps what it remembers: `storage.path` is `data` unless somebody says otherwise.
# Owned by whom it runs as, because a new volume takes that over.
COPY --from=build --chown=65532:65532 /empty /data
WORKDIR /
USER 65532:65532
VOLUME /data
EXPOSE 10900
ENV CARDINALITY_GUARD__WEB__LISTEN_ADDRESS=0.0.0.0:10900
ENTRYPOINT ["/cardinality-guard"]
CMD ["serve", "--config.file=/etc/cardinality-guard/guard.yaml"]
