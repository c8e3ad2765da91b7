# The image of grantd: one program on a base without a shell.
#
#   docker build -t grantd .
#   docker run --read-only --cap-drop ALL -p 9090:9090 -v grantd:/var/lib/grantd grantd \
#       serve --public-url https://grants.example.com:9090
#
# Every step is a script that runs without a container engine, too: deploy/container/stage, and deploy/container/check.

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN deploy/container/stage /out

# glibc, its loader and CA certificates; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out /
ENV GRANTD_DATA_DIR=/var/lib/grantd
# Probes and Prometheus come from outside of the container.
ENV GRANTD_OBSERVE_LISTEN=0.0.0.0:9091
USER 65532
VOLUME /var/lib/grantd
EXPOSE 9090 9091
ENTRYPOINT ["/usr/local/bin/grantd"]
CMD ["serve"]
