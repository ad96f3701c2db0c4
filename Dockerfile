# syntax=docker/dockerfile:1
# A service for fitted models: narrows serve. `make image` builds it; docs/serving.md says how to run it.

FROM python:3.13-slim AS build
# Where torch is offered with CUDA first, name an index with its CPU builds here.
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m venv /opt/narrows \
    && /opt/narrows/bin/pip install -c constraints.txt ".[serve]" \
    && /opt/narrows/bin/python -m compileall -q /opt/narrows/lib

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin narrows
COPY --from=build /opt/narrows /opt/narrows
ENV PATH=/opt/narrows/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp
USER 10001
WORKDIR /tmp
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/ready', timeout=4)"]
ENTRYPOINT ["narrows", "serve"]
CMD ["/models/model", "--host", "0.0.0.0", "--port", "8080", "--token-file", "/run/secrets/narrows_token", "--watch"]
