# The image of the worker and the command line. Nothing is downloaded but what a lock names with its hash.
# 3.11.16 on Debian 13; deploy/README.md says where the digest was found.
FROM python:3.11.16-slim-trixie@sha256:be1575ed968de893bd54f4c56315ff7c4736ce522c1bca08fd521731aafc0d76 AS base

FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY deploy/build.lock deploy/build.lock
RUN python -m venv /tools \
    && /tools/bin/pip install --require-hashes --only-binary=:all: -r deploy/build.lock
# Without pip: the image that runs has nothing to install with.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/continuum \
    && /tools/bin/pip --python /opt/continuum/bin/python install \
        --require-hashes --only-binary=:all: -r requirements.lock
COPY . .
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /tools/bin/pip --python /opt/continuum/bin/python install --no-deps --no-index /wheels/*.whl \
    && /opt/continuum/bin/continuum --help >/dev/null

FROM base
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel \
    && rm -rf /usr/local/lib/python3.11/ensurepip \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin continuum \
    && install -d -o continuum -g continuum -m 0700 /var/lib/continuum
COPY --from=build /opt/continuum /opt/continuum
ENV PATH=/opt/continuum/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/continuum
USER 10001:10001
ENTRYPOINT ["continuum"]
CMD ["--help"]
