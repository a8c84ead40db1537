import type { JsonObject } from '../../src/core/index.js';

/** An example of the security guide, under the heading where it stands. */
export interface GuideExample {
  readonly heading: string;
  readonly json: JsonObject;
}

const header = { var_name: 'Authorization', location: 'header' };

/** Every JSON example of the guide (https://www.utcp.io, "Security Considerations"), in its order. */
export const guideExamples: readonly GuideExample[] = [
  {
    heading: 'API Key with Rotation',
    json: {
      auth: { auth_type: 'api_key', api_key: '${API_KEY}', var_name: 'X-API-Key', location: 'header' },
    },
  },
  {
    heading: 'OAuth2 with Scope Validation',
    json: {
      auth: {
        auth_type: 'oauth2',
        client_id: '${CLIENT_ID}',
        client_secret: '${CLIENT_SECRET}',
        token_url: 'https://auth.example.com/token',
        scope: 'tools:read tools:execute',
      },
    },
  },
  {
    heading: 'Per-Tool Authorization',
    json: {
      name: 'admin_tool',
      description: 'Administrative operations',
      tool_call_template: {
        call_template_type: 'http',
        url: 'https://api.example.com/admin/action',
        http_method: 'POST',
        auth: { auth_type: 'api_key', api_key: '${ADMIN_TOKEN}', ...header },
      },
    },
  },
  {
    heading: 'HTTP/HTTPS Security',
    json: {
      call_template_type: 'http',
      url: 'https://api.example.com/endpoint',
      verify_ssl: true,
      timeout: 30,
      headers: { 'User-Agent': 'UTCP-Client/1.0', 'X-Request-ID': '${request_id}' },
    },
  },
  {
    heading: 'WebSocket Security',
    json: {
      call_template_type: 'websocket',
      url: 'wss://api.example.com/ws',
      headers: { Authorization: 'Bearer ${WS_TOKEN}', Origin: 'https://trusted-domain.com' },
      ping_interval: 30,
      connection_timeout: 10,
    },
  },
  {
    heading: 'CLI Security',
    json: {
      call_template_type: 'cli',
      command: '/usr/local/bin/safe-script',
      args: ['--input', '${sanitized_input}'],
      working_directory: '/safe/sandbox',
      environment: { PATH: '/usr/local/bin:/usr/bin', HOME: '/tmp/sandbox' },
      timeout: 30,
      allowed_exit_codes: [0],
    },
  },
  {
    heading: 'Server-Sent Events (SSE) Security',
    json: {
      call_template_type: 'sse',
      url: 'https://api.example.com/events',
      headers: {
        Authorization: 'Bearer ${SSE_TOKEN}',
        Accept: 'text/event-stream',
        'Cache-Control': 'no-cache',
      },
      timeout: 300,
      max_events: 1000,
    },
  },
  {
    heading: 'Text Protocol Security',
    json: {
      call_template_type: 'text',
      file_path: '/safe/data/${filename}',
      max_size: 1_048_576,
      allowed_paths: ['/safe/data/'],
      encoding: 'utf-8',
    },
  },
  {
    heading: 'MCP Security',
    json: {
      call_template_type: 'mcp',
      server_config: {
        command: '/usr/local/bin/mcp-server',
        args: ['--config', '/safe/config.json'],
        env: { MCP_LOG_LEVEL: 'INFO' },
        timeout: 60,
      },
    },
  },
  {
    heading: 'JSON Schema Validation',
    json: {
      inputs: {
        type: 'object',
        properties: {
          email: { type: 'string', format: 'email', maxLength: 254 },
          age: { type: 'integer', minimum: 0, maximum: 150 },
          tags: { type: 'array', items: { type: 'string', pattern: '^[a-zA-Z0-9_-]+$' }, maxItems: 10 },
        },
        required: ['email'],
        additionalProperties: false,
      },
    },
  },
];
