# Two stages: the first installs, the second holds only what runs.
FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock ./
# Only files whose hash is known.
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock

FROM python:3.11-slim
RUN useradd --uid 10001 --no-log-init --no-create-home --home-dir /app app \
    && install -d -o app /var/lib/groupadmin
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
# Compiled once, here: the containers may not write beside the code.
RUN /venv/bin/python -m compileall -q audits groupadmin members telegram_ops whitelist
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/groupadmin STATIC_ROOT=/app/static
# Into the image, for a volume would keep those of an older release. The keys serve while it is built; a container
# that starts without its own is told so by `check --deploy`.
RUN SECRET_KEY=build REDIS_URL=redis://build FIELD_ENCRYPTION_KEYS=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    VAR_DIR=/tmp/build python manage.py collectstatic --noinput && rm -r /tmp/build
USER app
VOLUME /var/lib/groupadmin
EXPOSE 8000
# SIGTERM is what stops each of them well: requests end, jobs are handed back.
STOPSIGNAL SIGTERM
CMD ["gunicorn", "groupadmin.wsgi", "--bind=0.0.0.0:8000", "--workers=2", "--threads=4", "--graceful-timeout=30"]
