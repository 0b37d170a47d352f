// What the recipe's feed does where a real server cannot be brought to it: races, a full disk, bad settings.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import fs, { mkdtempSync, readFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { RevocationFeed, withGrantId } from '../../docs/authorization-servers/oidc-provider/feed.mjs';

const BEARER = 'a-token-of-some-length';
const settings = { issuer: 'https://as.example', lifetime: 300, bearers: [BEARER] };
const now = () => Math.floor(Date.now() / 1000);

/** Asks a feed over HTTP. */
async function ask(t, feed, query = '', headers = { authorization: `Bearer ${BEARER}` }) {
  const server = createServer((req, res) => feed.handle(req, res)).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const res = await fetch(`http://127.0.0.1:${server.address().port}/${query}`, { headers: { connection: 'close', ...headers } });
  return { status: res.status, ...await res.json() };
}

test('a token that does not name its grant and is issued after the grant ended', async (t) => {
  const [feed, provider] = [new RevocationFeed(settings), new EventEmitter()];
  feed.listen(provider);
  const token = (jti, grantId, extra) => ({ jti, grantId, expiration: 600, extra });
  provider.emit('access_token.issued', token('early', 'g'));
  provider.emit('access_token.issued', token('named', 'g', { grant_id: 'g' }));
  provider.emit('access_token.issued', token('other', 'h'));
  provider.emit('grant.revoked', {}, 'g');
  provider.emit('access_token.issued', token('late', 'g'));
  const { revocations } = await ask(t, feed);
  assert.deepEqual(revocations.map(({ jti, grant_id }) => jti ?? grant_id), ['early', 'g', 'late']);
  // A token has lived longer than the settings say: so do the entries.
  assert.ok(revocations.every(({ exp }) => exp >= now() + 590), JSON.stringify(revocations));
});

test('a disk that fails', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'feed-')), 'revocations.jsonl');
  t.after(() => fs.rmSync(join(file, '..'), { recursive: true }));
  const feed = new RevocationFeed({ ...settings, file });
  t.after(() => feed.close());
  feed.endGrant('before');
  const { writeFileSync } = fs;
  fs.writeFileSync = (where, text) => {
    fs.writeSync(where, text.slice(0, 9));
    throw new Error('no space left');
  };
  syncBuiltinESMExports();
  try {
    assert.throws(() => feed.endGrant('meanwhile'), /no space/, 'whoever asked is told');
    assert.throws(() => feed.endGrant('again'), /no space/);
  } finally {
    fs.writeFileSync = writeFileSync;
    syncBuiltinESMExports();
  }
  const listed = async (of) => (await ask(t, of)).revocations.map(({ grant_id }) => grant_id);
  assert.deepEqual(await listed(feed), ['before', 'meanwhile', 'again'], 'in force all the same');
  feed.endGrant('after');
  assert.deepEqual(
    readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line).grant_id),
    ['before', 'meanwhile', 'again', 'after'],
  );
  const next = new RevocationFeed({ ...settings, file });
  t.after(() => next.close());
  assert.deepEqual(await listed(next), ['before', 'meanwhile', 'again', 'after']);
});

test('cursors of another run, and ones that nobody gave out', async (t) => {
  const [one, other] = [new RevocationFeed(settings), new RevocationFeed(settings)];
  for (const feed of [one, other]) feed.endGrant('g');
  const { cursor } = await ask(t, one);
  assert.equal((await ask(t, one, `?cursor=${cursor}`)).status, 200);
  assert.equal((await ask(t, other, `?cursor=${cursor}`)).status, 410);
  const forged = (...parts) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  const [run] = JSON.parse(Buffer.from(cursor, 'base64url'));
  for (const bad of ['', '%', forged(run, 2, false), forged(run, -1, false), forged(run, '1', false), forged(run), 'bnVsbA']) {
    assert.equal((await ask(t, one, `?cursor=${bad}`)).status, 410, bad);
  }
});

test('addresses that are none', async (t) => {
  const feed = new RevocationFeed(settings);
  const server = createServer((req, res) => feed.handle(req, res)).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  for (const [path, status] of [['//', 200], ['//:?x', 200], ['/?cursor', 410], ['/?cursor=a&cursor=b', 410], ['/?', 200]]) {
    const headers = { authorization: `Bearer ${BEARER}` };
    const [res] = await once(get({ host: '127.0.0.1', port: server.address().port, path, headers, agent: false }), 'response');
    assert.equal(res.resume().statusCode, status, path);
  }
});

test('who may not read it', async (t) => {
  const feed = new RevocationFeed(settings);
  for (const authorization of ['', 'Bearer', `Basic ${BEARER}`, `Bearer ${BEARER}x`, `Bearer ${BEARER.slice(1)}`, `Bearer ${BEARER} x`]) {
    assert.equal((await ask(t, feed, '', { authorization })).status, 401, authorization);
  }
});

test('what is cut off, and settings that say too little', () => {
  const feed = new RevocationFeed(settings);
  for (const claims of [{}, { client_id: undefined }, { sub: '' }, { sub: 1 }]) assert.throws(() => feed.cutOff(claims), TypeError);
  for (const token of [{}, { jti: 'j' }, { jti: '', exp: 1 }, { jti: 'j', exp: '1' }]) assert.throws(() => feed.endToken(token), TypeError);
  for (const bad of [{ lifetime: undefined }, { lifetime: 0 }, { bearers: undefined }, { bearers: [] }, { bearers: ['short'] }]) {
    assert.throws(() => new RevocationFeed({ ...settings, ...bad }), TypeError, JSON.stringify(bad));
  }
});

test('claims that were added before stay', async () => {
  const claims = withGrantId(async () => ({ tenant: 't' }));
  assert.deepEqual(await claims({}, { grantId: 'g' }), { tenant: 't', grant_id: 'g' });
  assert.deepEqual(await claims({}, {}), { tenant: 't' });
  assert.equal(await withGrantId()({}, {}), undefined);
});
