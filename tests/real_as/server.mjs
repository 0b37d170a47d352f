// Starts the authorization server and its revocation feed on one loopback port.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

import { RevocationFeed } from '../../docs/authorization-servers/oidc-provider/feed.mjs';
import { APP, MACHINE, RESOURCES, createProvider, loginAndConsent } from './provider.mjs';

// stdout carries the ready line and nothing else, but the library prints notices with console.info.
console.log = console.info = console.debug = console.error;

const DEFAULTS = { port: 0, ttl: 300, page: 500, file: '', claim: 'yes' };
const FEED_BEARER = 'the-token-of-resource-servers';

function readOptions() {
  const { values } = parseArgs({
    options: Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, { type: 'string' }])),
  });
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, fallback]) => {
    const text = values[name] ?? process.env[`REAL_AS_${name.toUpperCase()}`] ?? String(fallback);
    if (typeof fallback === 'string') return [name, text];
    const least = name === 'port' ? 0 : 1;
    if (!/^\d{1,9}$/.test(text) || Number(text) < least) throw new Error(`--${name}: not a number of at least ${least}: ${text}`);
    return [name, Number(text)];
  }));
}

async function readJson(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

function sendJson(res, status, body) {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
}

/** What an administrator may ask for. Throws a TypeError if the body is unfit. */
const controls = {
  '/control/revoke-client': (feed, { client_id }) => feed.cutOff({ client_id }),
  '/control/revoke-token': (feed, { jti, exp }) => feed.endToken({ jti, exp }),
  // Not through the feed, but as an account page would: the feed must hear of it.
  '/control/destroy-grant': async (feed, { grant_id }, provider) => {
    const grant = await provider.Grant.find(grant_id);
    if (!grant) throw new TypeError('no such grant');
    await grant.destroy();
    return { grant_id };
  },
};

/** Counts the answers on the paths that resource servers ask by themselves, and tells. */
class Tally {
  #counts = Object.fromEntries(['/jwks', '/revocations'].map((path) => [path, {}]));

  note(path, res) {
    const counts = this.#counts[path];
    if (counts) res.on('finish', () => { counts[res.statusCode] = (counts[res.statusCode] ?? 0) + 1; });
  }

  tell(res) {
    return sendJson(res, 200, this.#counts);
  }
}

async function control(req, res, path, feed, provider) {
  if (req.method !== 'POST') return sendJson(res, 405, { error: 'use POST' });
  try {
    return sendJson(res, 200, await controls[path](feed, await readJson(req), provider));
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return sendJson(res, 400, { error: error.message });
    throw error;
  }
}

async function main() {
  const options = readOptions();

  // The issuer names the port, so the port is taken first. A request that comes before the provider exists has to wait:
  // without any handler it would never be answered.
  const server = createServer({ keepAliveTimeout: 60_000 });
  const early = [];
  const wait = (req, res) => early.push([req, res]);
  server.on('request', wait);
  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const issuer = `http://127.0.0.1:${port}`;

  const feed = new RevocationFeed({
    issuer, lifetime: options.ttl, bearers: [FEED_BEARER], file: options.file || undefined, pageSize: options.page,
  });
  const provider = await createProvider(issuer, options.ttl, options.claim === 'yes');
  feed.listen(provider);
  const authorizationServer = provider.callback();

  const tally = new Tally();

  async function route(req, res) {
    const url = new URL(req.url, issuer);
    tally.note(url.pathname, res);
    if (url.pathname === '/control/answers') return tally.tell(res);
    if (url.pathname === '/revocations') return feed.handle(req, res);
    if (Object.hasOwn(controls, url.pathname)) return control(req, res, url.pathname, feed, provider);
    if (url.pathname.startsWith('/interaction/')) return loginAndConsent(provider, req, res);

    // No session outlives one authorization request, but for being ended: a client that reuses its cookie jar must be able to
    // come back as another user, which the library would otherwise answer with a log-out form.
    if (req.headers.cookie && !url.pathname.startsWith('/session/')) {
      req.headers.cookie = req.headers.cookie.split(/;\s*/).filter((pair) => !/^_session(\.sig)?=/.test(pair)).join('; ');
    }
    return authorizationServer(req, res);
  }

  function handle(req, res) {
    route(req, res).catch((error) => {
      console.error(error);
      if (!res.headersSent) sendJson(res, 500, { error: error.message });
      else res.destroy();
    });
  }
  server.off('request', wait).on('request', handle);
  for (const [req, res] of early) handle(req, res);

  process.stdout.write(`${JSON.stringify({
    issuer,
    port,
    feed: `${issuer}/revocations`,
    bearer: FEED_BEARER,
    clients: { machine: MACHINE, app: APP },
    resources: RESOURCES,
  })}\n`);
}

const stop = () => process.exit(0);
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
// A test that crashed closes its end of the pipe: nothing may be left behind.
process.stdin.on('end', stop).on('close', stop).on('error', stop).resume();

main().catch((error) => {
  console.error(`real-as: ${error.message}`);
  process.exit(1);
});
