// Checks over HTTP that the server does what README.md says, with nothing but what Node brings along.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { constants, createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const SCOPE = 'read:events write:events';
const TTL = 120;
const ALGORITHMS = { rs256: 'RS256', ps256: 'PS256', es256: 'ES256', eddsa: 'EdDSA' };

const say = (text) => console.log(`ok  ${text}`);
const near = (actual, expected) => assert.ok(Math.abs(actual - expected) <= 5, `${actual} is not about ${expected}`);
const unix = () => Math.floor(Date.now() / 1000);

const running = [];

async function start(...args) {
  const began = performance.now();
  const child = spawn(process.execPath, ['server.mjs', '--ttl', String(TTL), ...args], {
    cwd: HERE, stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.push(child);
  const log = [];
  child.stderr.on('data', (data) => log.push(data));
  const out = [];
  const lines = createInterface({ input: child.stdout }).on('line', (line) => out.push(line));
  const exited = once(child, 'exit');
  await Promise.race([once(lines, 'line'), exited]);
  if (!out.length) throw new Error(`the server did not start:\n${Buffer.concat(log)}`);
  return { ...JSON.parse(out[0]), child, out, exited, took: Math.round(performance.now() - began) };
}

async function json(url, init) {
  const res = await fetch(url, init);
  const text = await res.text();
  let body;
  try { body = JSON.parse(text); } catch { body = text; }
  return { status: res.status, headers: res.headers, body };
}

function form(url, client, params) {
  const basic = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
  return json(url, { method: 'POST', headers: { authorization: `Basic ${basic}` }, body: new URLSearchParams(params) });
}

const feed = (as, query = '', headers = {}) => json(`${as.feed}${query}`, { headers: { authorization: `Bearer ${as.bearer}`, ...headers } });
const post = (url, body) => json(url, { method: 'POST', body: JSON.stringify(body) });

function decode(token) {
  const [header, claims] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  return { header, claims };
}

function signatureHolds(token, alg, jwk) {
  const cut = token.lastIndexOf('.');
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const how = {
    RS256: { key },
    PS256: { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
    ES256: { key, dsaEncoding: 'ieee-p1363' },
    EdDSA: { key },
  }[alg];
  return verify(alg === 'EdDSA' ? null : 'sha256', Buffer.from(token.slice(0, cut)), how, Buffer.from(token.slice(cut + 1), 'base64url'));
}

/** Logs in as a plain HTTP client does that follows Location headers by hand and keeps cookies by name. */
async function login(as, meta, jar, extra = {}) {
  const verifier = randomBytes(32).toString('base64url');
  let url = new URL(meta.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: as.clients.app.client_id,
    redirect_uri: as.clients.app.redirect_uri,
    response_type: 'code',
    scope: `${SCOPE} offline_access`,
    prompt: 'consent',
    resource: as.resources.es256,
    state: 'st',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...extra,
  });
  for (let hop = 0; ; hop += 1) {
    assert.ok(hop < 10, 'too many redirects');
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const res = await fetch(url, { redirect: 'manual', headers: cookie ? { cookie } : {} });
    assert.equal(res.status, 303, `${url.pathname}: ${res.status} ${await res.text()}`);
    for (const line of res.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value) jar.set(name, value); else jar.delete(name);
    }
    url = new URL(res.headers.get('location'), url);
    if (url.href.startsWith(as.clients.app.redirect_uri)) break;
  }
  assert.equal(url.searchParams.get('state'), 'st');
  assert.equal(url.searchParams.get('iss'), as.issuer);
  const exchange = {
    grant_type: 'authorization_code',
    code: url.searchParams.get('code'),
    redirect_uri: as.clients.app.redirect_uri,
    code_verifier: verifier,
  };
  const { status, body } = await form(meta.token_endpoint, as.clients.app, exchange);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.token_type, 'Bearer');
  return { ...body, ...decode(body.access_token), exchange };
}

async function discover(as) {
  const { body: meta } = await json(`${as.issuer}/.well-known/openid-configuration`);
  assert.equal(meta.issuer, as.issuer);
  const { body: jwks } = await json(meta.jwks_uri);
  return { meta, keys: jwks.keys, kids: jwks.keys.map(({ kid }) => kid).sort() };
}

async function checkMachineTokens(as, { meta, keys }) {
  for (const [name, alg] of Object.entries(ALGORITHMS)) {
    const { status, body } = await form(meta.token_endpoint, as.clients.machine, {
      grant_type: 'client_credentials', scope: SCOPE, resource: as.resources[name],
    });
    assert.equal(status, 200, JSON.stringify(body));
    const { header, claims } = decode(body.access_token);
    const jwk = keys.find(({ kid }) => kid === header.kid);
    assert.deepEqual([header.alg, header.typ, jwk?.alg, jwk?.use], [alg, 'at+jwt', alg, 'sig']);
    assert.ok(signatureHolds(body.access_token, alg, jwk));
    assert.deepEqual(
      [claims.iss, claims.aud, claims.sub, claims.client_id, claims.scope, claims.grant_id],
      [as.issuer, as.resources[name], 'machine', 'machine', SCOPE, undefined],
    );
    near(claims.iat, unix());
    assert.equal(claims.exp, claims.iat + TTL);
    assert.equal(body.expires_in, TTL);
    assert.ok(claims.jti.length >= 20);
    say(`client_credentials, ${name}: header, claims, signature`);
  }
}

async function checkFirstFlow(as, { meta }) {
  const { app } = as.clients;
  const user = await login(as, meta, new Map());
  assert.equal(user.header.typ, 'at+jwt');
  assert.deepEqual(
    [user.claims.sub, user.claims.client_id, user.claims.aud, user.claims.scope],
    ['user-1', 'app', as.resources.es256, SCOPE],
  );
  assert.ok(user.claims.grant_id && user.refresh_token);
  say('code flow with PKCE: access token with grant_id, refresh token');

  const refreshed = await form(meta.token_endpoint, app, { grant_type: 'refresh_token', refresh_token: user.refresh_token });
  assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
  assert.notEqual(refreshed.body.refresh_token, user.refresh_token);
  const { claims } = decode(refreshed.body.access_token);
  assert.deepEqual([claims.grant_id, claims.aud], [user.claims.grant_id, user.claims.aud]);
  assert.notEqual(claims.jti, user.claims.jti);
  say('refresh: the refresh token rotates, the grant stays');

  const before = await feed(as);
  assert.deepEqual([before.body.full, before.body.more, before.body.iss, before.body.revocations], [true, false, as.issuer, []]);
  near(before.body.as_of, unix());
  const { cursor } = before.body;
  const again = await feed(as, '', { 'if-none-match': before.headers.get('etag') });
  assert.equal(again.status, 304);
  say('feed: empty full state, 304 on its ETag');

  const held = feed(as, `?cursor=${cursor}&wait=25`).then((answer) => ({ ...answer, at: performance.now() }));
  await new Promise((resolve) => { setTimeout(resolve, 200); });
  const revoked = await form(meta.revocation_endpoint, app, { token: refreshed.body.refresh_token, token_type_hint: 'refresh_token' });
  assert.equal(revoked.status, 200);
  const revokedAt = performance.now();
  const delta = await held;
  assert.ok(delta.at - revokedAt < 1000, 'the long poll was not woken');
  const [entry] = delta.body.revocations;
  assert.deepEqual([delta.body.full, delta.body.revocations.length, entry.grant_id], [false, 1, user.claims.grant_id]);
  near(entry.at, unix());
  assert.equal(entry.exp, entry.at + TTL);
  say('RFC 7009 on the refresh token: grant_id by cursor, long poll woken');

  const full = await feed(as, '', { 'if-none-match': before.headers.get('etag') });
  assert.deepEqual([full.status, full.body.full, full.body.revocations], [200, true, [entry]]);
  assert.equal(full.headers.get('content-encoding'), 'gzip'); // fetch asks for it by itself
  say('the same entry in the full state, under a new ETag, gzipped');

  const dead = await form(meta.token_endpoint, app, { grant_type: 'refresh_token', refresh_token: refreshed.body.refresh_token });
  assert.deepEqual([dead.status, dead.body.error], [400, 'invalid_grant']);
  say('the revoked refresh token is refused');

  const jwt = await form(meta.revocation_endpoint, app, { token: refreshed.body.access_token });
  assert.deepEqual([jwt.status, jwt.body.error], [400, 'unsupported_token_type']);
  say('RFC 7009 on a JWT access token: 400 unsupported_token_type');
  return delta.body.cursor;
}

async function checkReplays(as, { meta }, cursor) {
  const jar = new Map();
  const user = await login(as, meta, jar);
  const refresh = { grant_type: 'refresh_token', refresh_token: user.refresh_token };
  assert.equal((await form(meta.token_endpoint, as.clients.app, refresh)).status, 200);
  assert.equal((await form(meta.token_endpoint, as.clients.app, refresh)).status, 400);
  let { body } = await feed(as, `?cursor=${cursor}`);
  assert.deepEqual(body.revocations.map(({ grant_id }) => grant_id), [user.claims.grant_id]);
  say('replay of a rotated refresh token: its grant is in the feed');

  const other = await login(as, meta, jar, { login_hint: 'user-2', resource: as.resources.rs256 });
  assert.deepEqual([other.claims.sub, other.claims.aud], ['user-2', as.resources.rs256]);
  assert.notEqual(other.claims.grant_id, user.claims.grant_id);
  say('login_hint chooses the user, also with the cookies of another one');

  assert.equal((await form(meta.token_endpoint, as.clients.app, other.exchange)).status, 400);
  ({ body } = await feed(as, `?cursor=${body.cursor}`));
  assert.deepEqual(body.revocations.map(({ grant_id }) => grant_id), [other.claims.grant_id]);
  say('replay of an authorization code: its grant is in the feed');

  const bare = await login(as, meta, new Map(), { scope: 'read:events', prompt: 'login' });
  assert.ok(bare.refresh_token);
  assert.equal(bare.claims.scope, 'read:events');
  say('a refresh token comes without offline_access too');
  return body.cursor;
}

async function checkFeed(as, cursor) {
  const control = `${as.issuer}/control`;
  const client = await post(`${control}/revoke-client`, { client_id: 'machine' });
  const token = await post(`${control}/revoke-token`, { jti: 'j-1', exp: unix() + 60 });
  assert.deepEqual([client.status, token.status], [200, 200]);
  const { body } = await feed(as, `?cursor=${cursor}&wait=5`);
  assert.deepEqual(body.revocations, [client.body, token.body]);
  near(client.body.issued_before, unix());
  assert.equal(client.body.exp, client.body.issued_before + TTL);
  assert.equal(token.body.jti, 'j-1');
  assert.equal((await post(`${control}/revoke-token`, { jti: 'j-1' })).status, 400);
  say('control: cut-off of a client, identifier of a token');

  const began = performance.now();
  const quiet = await feed(as, `?cursor=${body.cursor}&wait=1`);
  assert.ok(performance.now() - began > 900);
  assert.deepEqual([quiet.status, quiet.body.full, quiet.body.more, quiet.body.revocations], [200, false, false, []]);
  say('heartbeat: an empty answer after wait seconds');

  assert.equal((await feed(as, `?cursor=nonsense`)).status, 410);
  say('an unknown cursor: 410');
}

async function checkPages() {
  const as = await start('--page', '2');
  const { body: { cursor } } = await feed(as);
  for (let n = 0; n < 5; n += 1) await post(`${as.issuer}/control/revoke-token`, { jti: `j-${n}`, exp: unix() + 60 });
  const pages = [(await feed(as)).body];
  while (pages.at(-1).more) pages.push((await feed(as, `?cursor=${pages.at(-1).cursor}`)).body);
  assert.deepEqual(pages.map(({ full, more, revocations }) => [full, more, revocations.length]), [[true, true, 2], [true, true, 2], [true, false, 1]]);
  assert.equal((await feed(as, `?cursor=${pages.at(-1).cursor}`)).body.full, false);
  const since = (await feed(as, `?cursor=${cursor}`)).body;
  assert.deepEqual([since.full, since.more, since.revocations.length], [false, true, 2]);
  say('full state and delta in pages');
  as.child.stdin.end();
  const [code] = await as.exited;
  assert.equal(code, 0);
  say('the server ends when its stdin closes');
}

async function stop(as) {
  const held = feed(as, `?cursor=${(await feed(as)).body.cursor}&wait=25`).catch(() => undefined);
  await new Promise((resolve) => { setTimeout(resolve, 50); });
  const began = performance.now();
  as.child.kill('SIGTERM');
  const [code] = await as.exited;
  await held;
  assert.equal(code, 0);
  assert.ok(performance.now() - began < 1000);
  assert.equal(as.out.length, 1, `more than the ready line on stdout: ${as.out}`);
}

try {
  const first = await start();
  say(`ready after ${first.took} ms`);
  const found = await discover(first);
  assert.equal(found.keys.length, 4);
  assert.ok(found.keys.every((key) => !('d' in key)));
  await checkMachineTokens(first, found);
  const cursor = await checkReplays(first, found, await checkFirstFlow(first, found));
  await checkFeed(first, cursor);
  await stop(first);
  say('SIGTERM ends it at once with a long poll open; stdout held one line');

  const second = await start('--port', String(first.port));
  assert.equal(second.issuer, first.issuer);
  const { kids } = await discover(second);
  assert.ok(kids.length === 4 && kids.every((kid) => !found.kids.includes(kid)));
  assert.equal((await feed(second, `?cursor=${cursor}`)).status, 410);
  assert.deepEqual((await json(`${second.issuer}/control/answers`)).body, { '/jwks': { 200: 1 }, '/revocations': { 410: 1 } });
  say('restart on the same port: other kids, the old cursor is gone (410)');
  await stop(second);

  await checkPages();
  console.log('all hold');
} finally {
  for (const child of running) child.kill('SIGKILL');
}
