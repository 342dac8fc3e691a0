# SPDX-License-Identifier: Apache-2.0
# Homeport with its gateway. docs/how-to/docker.md says how to run it, and how to build it where no registry is reached:
# BASE may be any image with python3 (and git, if PACKAGES is empty); wheels in wheelhouse/ replace the index.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
# Only for an index of your own; stays in this stage. Do not put a password into it.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY requirements/core.txt requirements/build.txt wheelhous[e] /build/wheelhouse/
RUN set -eu; \
    from="--find-links wheelhouse"; \
    if ls wheelhouse/*.whl >/dev/null 2>&1; then from="$from --no-index"; fi; \
    python3 -m venv /opt/homeport; \
    python3 -m venv --without-pip tools; \
    /opt/homeport/bin/python -m pip install --quiet --require-hashes --only-binary :all: $from -r wheelhouse/core.txt; \
    /opt/homeport/bin/python -m pip --python tools/bin/python install --quiet --require-hashes --only-binary :all: \
        $from -r wheelhouse/build.txt
COPY pyproject.toml README.md LICENSE /build/
COPY src /build/src
# Compiled here once: the root of a running container is read-only. The sources of packages' own tests are not needed.
RUN set -eu; \
    tools/bin/python -m hatchling build -t wheel -d dist >/dev/null; \
    /opt/homeport/bin/python -m pip install --quiet --no-deps --no-index dist/*.whl; \
    /opt/homeport/bin/python -m pip uninstall --quiet --yes setuptools; \
    find /opt/homeport/lib -type d \( -name tests -o -name test \) -path '*/site-packages/*' -prune -exec rm -rf {} +; \
    /opt/homeport/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/site-packages/pip/' /opt/homeport/lib
COPY deploy/container/health.py /opt/homeport/health.py

FROM ${BASE}
ARG PACKAGES="git ca-certificates"
ARG UID=10001
RUN set -eu; \
    if [ -n "$PACKAGES" ]; then \
        apt-get update -qq; \
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $PACKAGES; \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log; \
    fi; \
    echo "homeport:x:$UID:$UID::/var/lib/homeport:/usr/sbin/nologin" >>/etc/passwd; \
    echo "homeport:x:$UID:" >>/etc/group; \
    mkdir -p /var/lib/homeport /mnt; \
    chown "$UID:$UID" /var/lib/homeport; \
    chmod 0700 /var/lib/homeport
COPY --from=build /opt/homeport /opt/homeport
ENV PATH=/opt/homeport/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOMEPORT_HOME=/var/lib/homeport \
    HOMEPORT_API_LISTEN=0.0.0.0:8080 \
    HOMEPORT_GATEWAY_LISTEN=0.0.0.0:8081
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="homeport" \
      org.opencontainers.image.description="From a repository to a running, self-healing AI agent" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER ${UID}:${UID}
VOLUME /var/lib/homeport
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/homeport/health.py"]
ENTRYPOINT ["homeport"]
CMD ["serve"]
