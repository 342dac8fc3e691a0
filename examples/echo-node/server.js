// SPDX-License-Identifier: Apache-2.0
// Says back what it was asked. Node's standard library only.
'use strict';

const http = require('node:http');

const port = Number(process.env.PORT || 3000);
const longestBody = 1 << 20;

function answer(response, status, document) {
  const data = Buffer.from(JSON.stringify(document) + '\n');
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': data.length });
  response.end(data);
}

const server = http.createServer((request, response) => {
  if (request.url === '/health') {
    answer(response, 200, { ok: true });
    return;
  }
  const parts = [];
  let size = 0;
  request.on('data', (part) => {
    size += part.length;
    if (size <= longestBody) parts.push(part);
  });
  request.on('end', () => {
    if (size > longestBody) {
      answer(response, 413, { error: 'at most 1 MiB' });
      return;
    }
    const body = Buffer.concat(parts).toString('utf8');
    answer(response, 200, { method: request.method, path: request.url, body, pid: process.pid });
  });
});

server.listen(port, process.env.HOST || '127.0.0.1', () => console.log(`echo-node listens on port ${port}`));

process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
