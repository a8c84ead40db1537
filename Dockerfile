# syntax=docker/dockerfile:1

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run -s build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
# The sandbox of cli and stdio MCP tools; nothing is installed after this, and nothing is left to install with.
RUN apt-get update \
  && apt-get install -y --no-install-recommends bubblewrap util-linux \
  && install -d -o node -g node /var/lib/gatehouse \
  && rm -rf /var/lib/apt/lists/* /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn* /usr/local/bin/yarn* /usr/local/bin/pnpm* \
  && rm -rf /usr/bin/apt* /usr/lib/apt /usr/bin/dpkg*
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0
COPY --from=build --chown=root:root /app/node_modules ./node_modules
COPY --from=build --chown=root:root /app/dist ./dist
COPY --chown=root:root package.json LICENSE ./
# The embedded default, for a first look: docker run IMAGE serve
COPY --chown=root:root config/gatehouse.yaml ./config/
COPY --chown=root:root config/manuals/bookshop.yaml ./config/manuals/
USER node
# Everything that is written goes here: the log, keys, pins. The rest may be mounted read-only.
VOLUME /var/lib/gatehouse
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT ?? 8080}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve", "--config", "/etc/gatehouse/gatehouse.yaml"]
