/** nginx configurations: a gateway with limit_req and an access log, and an upstream that answers at once. */
import { createServer } from 'node:net';
import { join } from 'node:path';

const frame = (folder, name, http) => `
daemon off;
master_process off;
pid ${join(folder.path, `${name}.pid`)};
error_log ${join(folder.path, `${name}.error.log`)};
events { worker_connections 1024; }
http {
  client_body_temp_path ${join(folder.path, `${name}-body`)};
  proxy_temp_path ${join(folder.path, `${name}-proxy`)};
  fastcgi_temp_path ${join(folder.path, `${name}-fastcgi`)};
  uwsgi_temp_path ${join(folder.path, `${name}-uwsgi`)};
  scgi_temp_path ${join(folder.path, `${name}-scgi`)};
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
${http}
}
`;

export function renderGateway(folder, port, upstreamPort) {
  return frame(
    folder,
    'gateway',
    `  limit_req_zone $http_authorization zone=callers:10m rate=1000000r/s;
  access_log ${join(folder.path, 'gateway.access.log')} combined buffer=64k flush=100ms;
  upstream shelf { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      limit_req zone=callers burst=1000 nodelay;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://shelf/search;
    }
  }`,
  );
}

export function renderUpstream(folder, port, answer) {
  return frame(
    folder,
    'upstream',
    `  access_log off;
  server {
    listen 127.0.0.1:${port};
    location / { default_type application/json; return 200 '${JSON.stringify(answer)}'; }
  }`,
  );
}

/** A port that is free now, for servers that can't say which one they took. */
export function findPort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
