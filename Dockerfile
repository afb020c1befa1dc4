# One image for every part: web (gunicorn), a lane's workers (python manage.py qcluster with
# QUEUE_LANES) and release (python manage.py migrate). `.ci/image` checks what comes out.
#   docker build --tag inbound-talent-portal .
FROM python:3.11-slim AS environment
WORKDIR /portal
# The same version as in the Makefile.
RUN python -m venv /uv && /uv/bin/pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock ./
RUN UV_PROJECT_ENVIRONMENT=/environment /uv/bin/uv sync --frozen --no-dev --no-cache --system-certs \
    --compile-bytecode --no-python-downloads --python "$(command -v python)"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /portal portal
WORKDIR /portal
ENV PATH=/environment/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 WEB_HOST=0.0.0.0 \
    STATIC_ROOT=/portal/static-collected
COPY --from=environment /environment /environment
COPY manage.py gunicorn.conf.py ./
COPY integrations integrations
COPY portal portal
COPY templates templates
COPY static static
COPY docs/runbook.md docs/runbook.md
RUN python -m compileall -q integrations portal
# Static files need none of the real settings; these values are gone with the line.
RUN SECRET_KEY=build FIELD_ENCRYPTION_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    DATABASE_URL=sqlite://:memory: REDIS_URL=none ALLOWED_HOSTS=build \
    python manage.py collectstatic --noinput
USER portal
EXPOSE 8000
STOPSIGNAL SIGTERM
# The health page answers over plain HTTP and for any host.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-c", \
  "import os, urllib.request as u; \
   u.urlopen(f'http://127.0.0.1:{os.environ.get(\"WEB_PORT\", 8000)}/healthz', timeout=4)"]
CMD ["gunicorn"]
