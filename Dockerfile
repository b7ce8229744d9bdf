# syntax=docker/dockerfile:1
# The operator. It calls sbatch, squeue and the others: the image brings Debian's client; for a cluster whose
# version is too far from it, mount the site's own and set cluster.binDirectory, or go by a login node with ssh.
#
#   docker build -t vllm-slurm-operator:0.1.0 .
#   docker run --rm --network host -v /etc/slurm:/etc/slurm:ro -v /run/munge:/run/munge -v /shared/vllm:/shared/vllm \
#     vllm-slurm-operator:0.1.0 run -d /shared/vllm/deployments --set logDirectory=/shared/vllm/logs
#
# In Kubernetes: docs/how-to/kubernetes.md. Nothing is written outside of what is mounted, so the root may be read-only.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package's own scripts are run: what is built here needs none of them.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY scripts scripts
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="vllm-slurm-operator" \
      org.opencontainers.image.description="vLLM deployments served by SLURM jobs" \
      org.opencontainers.image.licenses="Apache-2.0"
# Debian keeps only the newest of a stable release, so a pinned version would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends openssh-client slurm-client tini \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY config config
COPY crds crds
RUN ln -s /app/dist/main.js /usr/local/bin/vllm-slurm
# The image's user `node`, by number: a cluster that refuses root must be able to tell.
USER 1000:1000
# Commands of SLURM may leave children behind; somebody has to bury them.
ENTRYPOINT ["/usr/bin/tini", "--", "vllm-slurm"]
CMD ["run"]
