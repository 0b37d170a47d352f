// A revocation feed (docs/revocation-feed.md: full state, deltas, long poll) for node oidc-provider. README.md beside this
// file says how to use it. It needs nothing but what Node brings along.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const MAX_WAIT = 25;
// Resource servers accept tokens with a leeway, so an entry is listed a while longer than its tokens live.
const KEPT_AFTER_EXP = 300;

const compress = promisify(gzip);
const now = () => Math.floor(Date.now() / 1000);
const digest = (text) => createHash('sha256').update(text).digest();

/** For `extraTokenClaims` of the provider's configuration: names the grant in each access token that has one. */
export function withGrantId(others) {
  return async (ctx, token) => {
    const claims = await others?.(ctx, token);
    return token.grantId ? { ...claims, grant_id: token.grantId } : claims;
  };
}

/** What an entry is about. A later entry on the same thing takes the place of the earlier one. */
function keyOf({ issued_before, exp, at, reason, ...claims }) {
  return JSON.stringify([issued_before !== undefined, Object.entries(claims).sort()]);
}

export class RevocationFeed {
  #issuer;
  #lifetime;
  #bearers;
  #pageSize;
  #maxHeld;
  #path;
  #file; // none while what is in it may not be whole
  #run = randomBytes(6).toString('hex'); // a cursor of another run is unknown: it may come from before a backup
  #seq = 0;
  #entries = new Map(); // key → { seq, entry }, in the order of seq
  #unnamed = new Map(); // grant → [{ jti, exp }] of tokens that do not name it
  #swept = 0;
  #held = new Set();
  #closed = false;

  /**
   * `lifetime`: the longest life of an access token, in seconds. `bearers`: the tokens of those who may read the feed.
   * `file`: where entries survive a restart; without it they do not.
   */
  constructor({ issuer, lifetime, bearers, file, pageSize = 1000, maxHeld = 1000 }) {
    if (!Number.isSafeInteger(lifetime) || lifetime < 1) throw new TypeError('lifetime: seconds are needed');
    if (!bearers?.length || bearers.some((bearer) => typeof bearer !== 'string' || bearer.length < 16)) {
      throw new TypeError('bearers: tokens of 16 characters at least are needed');
    }
    this.#issuer = issuer;
    this.#lifetime = lifetime;
    this.#bearers = bearers.map(digest);
    this.#pageSize = pageSize;
    this.#maxHeld = maxHeld;
    this.#path = file;
    if (file) this.#load();
  }

  /** Hears of what the provider ends by itself. The provider waits for it before it answers whoever asked for that. */
  listen(provider) {
    provider.on('grant.revoked', (ctx, grantId) => this.endGrant(grantId));
    provider.on('grant.destroyed', (grant) => this.endGrant(grant.jti));
    provider.on('registration_delete.success', (ctx, client) => this.cutOff({ client_id: client.clientId }));
    provider.on('access_token.issued', (token) => this.#issued(token));
    provider.on('client_credentials.issued', (token) => this.#issued(token));
  }

  /** All tokens of a grant, those that are still to be issued too. */
  endGrant(grantId) {
    for (const token of this.#unnamed.get(grantId) ?? []) this.endToken(token);
    this.#unnamed.delete(grantId);
    return this.#add({ grant_id: grantId, at: now(), exp: now() + this.#lifetime });
  }

  endToken({ jti, exp }) {
    if (typeof jti !== 'string' || !jti || !Number.isSafeInteger(exp)) throw new TypeError('jti and exp are needed');
    return this.#add({ jti, at: now(), exp });
  }

  /** All tokens issued up to now that have these claims, such as `{ client_id }` of a machine client, or `{ sub }`. */
  cutOff(claims) {
    const values = Object.values(claims);
    if (!values.length || values.some((value) => typeof value !== 'string' || !value)) {
      throw new TypeError('claims with strings are needed');
    }
    return this.#add({ ...claims, issued_before: now(), at: now(), exp: now() + this.#lifetime });
  }

  /** Answers questions that are being held, and lets go of the file. */
  close() {
    this.#closed = true;
    for (const wake of this.#held) wake();
    this.#release();
    this.#path = undefined;
  }

  #issued(token) {
    const { jti, grantId, expiration, exp = now() + expiration } = token;
    this.#lifetime = Math.max(this.#lifetime, expiration);
    if (!grantId || token.extra?.grant_id === grantId) return;
    if (this.#entries.has(keyOf({ grant_id: grantId }))) this.endToken({ jti, exp }); // the grant ended meanwhile
    else this.#unnamed.set(grantId, [...(this.#unnamed.get(grantId) ?? []), { jti, exp }]);
  }

  #add(entry) {
    const merged = this.#remember(entry);
    // In force before the disk has its say: if that fails, whoever asked is told, and resource servers know all the same.
    for (const wake of this.#held) wake();
    if (this.#path) this.#write(merged);
    return merged;
  }

  #remember(entry) {
    const key = keyOf(entry);
    const before = this.#entries.get(key)?.entry;
    const merged = { ...entry };
    for (const name of ['issued_before', 'exp']) {
      if (before?.[name] > entry[name]) merged[name] = before[name]; // the later deadline and cut-off hold
    }
    this.#entries.delete(key);
    this.#seq += 1;
    this.#entries.set(key, { seq: this.#seq, entry: merged });
    return merged;
  }

  /** Reads what an earlier run has written. */
  #load() {
    if (existsSync(this.#path)) {
      const lines = readFileSync(this.#path, 'utf8').split('\n');
      lines.pop(); // nothing, or a line that a crash cut short: whoever asked for it had no answer
      for (const line of lines) this.#remember(JSON.parse(line));
    }
    this.#rewrite();
  }

  #write(entry) {
    if (this.#file === undefined) return this.#rewrite();
    try {
      writeFileSync(this.#file, `${JSON.stringify(entry)}\n`);
      return fsyncSync(this.#file);
    } catch (error) {
      this.#release(); // the line may be half there: the next one comes with everything
      throw error;
    }
  }

  #rewrite() {
    this.#sweep();
    const file = openSync(`${this.#path}.new`, 'w', 0o600);
    try {
      writeFileSync(file, [...this.#entries.values()].map(({ entry }) => `${JSON.stringify(entry)}\n`).join(''));
      fsyncSync(file);
      renameSync(`${this.#path}.new`, this.#path);
      if (process.platform !== 'win32') {
        const folder = openSync(dirname(this.#path), 'r');
        fsyncSync(folder);
        closeSync(folder);
      }
    } catch (error) {
      closeSync(file);
      throw error;
    }
    this.#file = file;
  }

  #release() {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #sweep() {
    const second = now();
    if (this.#swept === second) return;
    this.#swept = second;
    const oldest = second - KEPT_AFTER_EXP;
    for (const [key, { entry }] of this.#entries) if (entry.exp < oldest) this.#entries.delete(key);
    for (const [grant, tokens] of this.#unnamed) {
      const left = tokens.filter(({ exp }) => exp >= oldest);
      if (left.length) this.#unnamed.set(grant, left); else this.#unnamed.delete(grant);
    }
  }

  #cursor(seq, full) {
    return Buffer.from(JSON.stringify([this.#run, seq, full])).toString('base64url');
  }

  /** → { seq, full } or undefined for a cursor that this run has not given out. */
  #position(cursor) {
    try {
      const [run, seq, full] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
      const known = run === this.#run && Number.isSafeInteger(seq) && seq >= 0 && seq <= this.#seq;
      return known ? { seq, full: full === true } : undefined;
    } catch {
      return undefined;
    }
  }

  /** `full` stays true through the pages of one full state, and so does the cursor between them. */
  #page({ seq, full }) {
    this.#sweep();
    const rest = seq === this.#seq ? [] : [...this.#entries.values()].filter((item) => item.seq > seq);
    const page = rest.slice(0, this.#pageSize);
    const more = rest.length > page.length;
    return {
      iss: this.#issuer,
      as_of: now(),
      cursor: this.#cursor(more ? page.at(-1).seq : this.#seq, full && more),
      full,
      more,
      revocations: page.map(({ entry }) => entry),
    };
  }

  #news(res, seconds) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#held.delete(done);
        res.off('close', done);
        resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      this.#held.add(done);
      res.on('close', done);
    });
  }

  #mayRead({ authorization = '' }) {
    const [, token] = /^Bearer +([^ ]+)$/i.exec(authorization) ?? [];
    if (!token) return false;
    const given = digest(token);
    return this.#bearers.some((bearer) => timingSafeEqual(bearer, given));
  }

  /** A request handler for `node:http`, and so for Express and (with `ctx.respond = false`) Koa. It never rejects. */
  async handle(req, res) {
    try {
      await this.#answer(req, res);
    } catch (error) {
      console.error('revocation feed:', error);
      if (res.headersSent) res.destroy(); else res.writeHead(500).end();
    }
  }

  async #answer(req, res) {
    if (!this.#mayRead(req.headers)) {
      return this.#send(req, res, 401, { error: 'a bearer token is needed' }, { 'www-authenticate': 'Bearer' });
    }
    if (req.method !== 'GET') return this.#send(req, res, 405, { error: 'use GET' }, { allow: 'GET' });

    const [, query] = req.url.split('?', 2); // `new URL` throws at what anybody may send, such as `//`
    const asked = new URLSearchParams(query);
    const cursor = asked.get('cursor');
    if (cursor === null) {
      this.#sweep();
      // Weak: `as_of` moves on while the state behind it is the same. `Date`, which Node sends, tells the age of a 304.
      const etag = `W/"${this.#run}.${this.#seq}.${this.#entries.size}"`;
      const known = (req.headers['if-none-match'] ?? '').split(/,\s*/);
      if (known.includes(etag)) return this.#send(req, res, 304, undefined, { etag });
      return this.#send(req, res, 200, this.#page({ seq: 0, full: true }), { etag });
    }

    const position = this.#position(cursor);
    if (!position) return this.#send(req, res, 410, { error: 'unknown cursor: take the full state' });

    const wait = Math.min(Number(/^\d{1,4}$/.exec(asked.get('wait') ?? '') ?? 0), MAX_WAIT);
    const mayHold = !this.#closed && this.#held.size < this.#maxHeld;
    if (wait > 0 && mayHold && !position.full && position.seq === this.#seq) {
      await this.#news(res, wait);
      if (res.destroyed) return undefined;
    }
    return this.#send(req, res, 200, this.#page(position));
  }

  async #send(req, res, status, body, headers = {}) {
    const fields = { 'cache-control': 'no-store', vary: 'accept-encoding', ...headers };
    if (body === undefined) return res.writeHead(status, fields).end();

    let bytes = Buffer.from(JSON.stringify(body));
    fields['content-type'] = 'application/json';
    if (/\bgzip\b/.test(req.headers['accept-encoding'] ?? '')) {
      bytes = await compress(bytes);
      fields['content-encoding'] = 'gzip';
    }
    return res.writeHead(status, { ...fields, 'content-length': bytes.length }).end(bytes);
  }
}
