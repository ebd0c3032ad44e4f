# The service in a container, on a GPU or on Mesa's software device:
#   docker build -t nada .
#   docker run --rm -v nada:/data nada token add me --scope admin
#   docker run -p 8787:8787 -v nada:/data --device /dev/dri nada
# With NVIDIA's container toolkit: --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all
FROM denoland/deno:bin-2.9.6 AS deno

FROM debian:bookworm-slim
RUN echo "deb http://deb.debian.org/debian bookworm-backports main" \
      > /etc/apt/sources.list.d/backports.list \
  && apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && apt-get install -y --no-install-recommends -t bookworm-backports \
    libvulkan1 mesa-vulkan-drivers \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --create-home --home-dir /home/nada nada \
  && install -d -o nada /data
COPY --from=deno /deno /usr/local/bin/deno
WORKDIR /app
COPY deno.json deno.lock main.ts nada ./
COPY commands commands
COPY kernels kernels
COPY lib lib
COPY models models
COPY routes routes
COPY service service
USER nada
# What npm has is fetched now, not when it starts.
RUN deno install --frozen --entrypoint main.ts service/gpu/worker.ts service/images/worker.ts \
  service/planning/worker.ts
ENV NADA_HOST=0.0.0.0 NADA_DATA=/data NADA_LOG_FORMAT=json
VOLUME /data
EXPOSE 8787
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/nada"]
CMD ["serve"]
