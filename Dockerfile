# syntax=docker/dockerfile:1
# The operator. It calls sbatch, squeue and the others: the image brings Debian's client; for a cluster whose
# version is too far from it, mount the site's own and set cluster.binDirectory.
#
#   docker build -t vllm-slurm .
#   docker run --rm --network host -v /etc/slurm:/etc/slurm:ro -v /run/munge:/run/munge -v /shared/vllm:/shared/vllm \
#     vllm-slurm run -d /shared/vllm/deployments --set logDirectory=/shared/vllm/logs
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm install --no-save --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY scripts scripts
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:24-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends openssh-client slurm-client \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY config config
COPY crds crds
RUN ln -s /app/dist/main.js /usr/local/bin/vllm-slurm
USER node
ENTRYPOINT ["vllm-slurm"]
CMD ["run"]
