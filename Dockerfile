FROM python:3.13-slim-trixie AS wheels

WORKDIR /source
COPY requirements/image.txt requirements/
RUN pip wheel --no-cache-dir --require-hashes --requirement requirements/image.txt \
      --wheel-dir /wheels \
 && pip install --no-cache-dir --no-index --find-links /wheels hatchling

COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .


FROM python:3.13-slim-trixie

# pg_dump and pg_restore, of the version that docker-compose.yml has, for backups.
RUN apt-get update --quiet=2 \
 && apt-get install --quiet=2 --yes --no-install-recommends postgresql-client-17 \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --home-dir /data greenroom \
 && install --directory --owner greenroom --group greenroom --mode 0700 /data
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels 'greenroom[s3]'

ENV GREENROOM_DATA=/data \
    PYTHONUNBUFFERED=1
USER greenroom
WORKDIR /data
VOLUME /data
EXPOSE 6543
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:6543/_ready', timeout=4)"]
CMD ["greenroom", "serve", "--host", "0.0.0.0", "--port", "6543"]
