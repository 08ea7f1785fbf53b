// Asks the kubelet from inside its network namespace: a line { id, method, url } comes in, { id, status, body } goes out.

import http from 'node:http';
import https from 'node:https';
import { createInterface } from 'node:readline';

const agents = {
  'http:': new http.Agent({ keepAlive: true }),
  'https:': new https.Agent({ keepAlive: true, rejectUnauthorized: false }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, url } = JSON.parse(line);
  const answer = (status, body) => process.stdout.write(`${JSON.stringify({ id, status, body })}\n`);
  const { protocol } = new URL(url);
  const request = (protocol === 'https:' ? https : http).request(
    url,
    { method, agent: agents[protocol] },
    (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => (body += text));
      response.on('end', () => answer(response.statusCode, body));
    },
  );
  request.on('error', (error) => answer(0, error.message));
  request.end();
}
