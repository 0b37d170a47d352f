// A reverse proxy of node's own http, with fast-jwt and its cache, as fast-jwt's README sets it up.
// node node.mjs UPSTREAM_PORT KEY.pem ISSUER AUDIENCE MODULES
import http from 'node:http';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const [upstream, pem, issuer, audience, modules] = process.argv.slice(2);
const { createVerifier } = createRequire(`${modules}/`)('fast-jwt');
const verify = createVerifier({
  key: readFileSync(pem, 'utf8'),
  algorithms: ['RS256'],
  allowedIss: issuer,
  allowedAud: audience,
  requiredClaims: ['exp', 'iss', 'aud'],
  cache: 20_000,
});
const agent = new http.Agent({ keepAlive: true, noDelay: true });

function admit(request) {
  if (request.url === '/public') return 200;
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== 'Bearer') return 401;
  try {
    return verify(token).scope.split(' ').includes('read:events') ? 200 : 403;
  } catch {
    return 401;
  }
}

const server = http.createServer((request, response) => {
  const status = admit(request);
  if (status !== 200) {
    response.writeHead(status).end();
    return;
  }
  const { authorization, ...headers } = request.headers;
  const onward = http.request(
    { host: '127.0.0.1', port: upstream, path: request.url, method: request.method, headers, agent },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.writeHead(502).end());
  request.pipe(onward);
});
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
