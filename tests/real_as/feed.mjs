// The revocation feed, native format version 1: full state, deltas by cursor, long poll.
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';

const MAX_WAIT = 25;
// A resource server takes tokens for some leeway after `exp`, so an entry is listed a while longer than its tokens live.
const KEPT_AFTER_EXP = 60;

const now = () => Math.floor(Date.now() / 1000);

/** What an entry is about. A later entry on the same thing takes the place of the earlier one. */
function keyOf({ issued_before, exp, at, withdrawn, reason, ...claims }) {
  return JSON.stringify([issued_before !== undefined, Object.entries(claims).sort()]);
}

export class Feed {
  #issuer;
  #pageSize;
  #history;
  #run = randomBytes(6).toString('hex'); // a cursor of another run is unknown
  #seq = 0;
  #entries = new Map(); // key → { seq, entry }, in the order of seq
  #waiting = new Set();

  constructor({ issuer, pageSize, history }) {
    this.#issuer = issuer;
    this.#pageSize = pageSize;
    this.#history = history;
  }

  add(entry) {
    const key = keyOf(entry);
    const before = this.#entries.get(key)?.entry;
    this.#entries.delete(key);
    this.#seq += 1;
    const merged = { ...entry };
    for (const name of ['issued_before', 'exp']) {
      if (before?.[name] > entry[name]) merged[name] = before[name]; // the later deadline and cut-off hold
    }
    this.#entries.set(key, { seq: this.#seq, entry: merged });
    for (const wake of this.#waiting) wake();
  }

  #drop() {
    const oldest = now() - KEPT_AFTER_EXP;
    for (const [key, { entry }] of this.#entries) if (entry.exp < oldest) this.#entries.delete(key);
  }

  #cursor(seq, full) {
    return Buffer.from(JSON.stringify([this.#run, seq, full])).toString('base64url');
  }

  /** → { seq, full } or undefined for a cursor that this feed cannot continue from. */
  #position(cursor) {
    try {
      const [run, seq, full] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
      const known = run === this.#run && Number.isSafeInteger(seq) && seq <= this.#seq;
      const tooOld = !full && seq < this.#seq - this.#history;
      return known && !tooOld ? { seq, full } : undefined;
    } catch {
      return undefined;
    }
  }

  /** `full` stays true through the pages of one full state, and so does the cursor between them. */
  #page({ seq, full }) {
    this.#drop();
    const rest = [...this.#entries.values()].filter((item) => item.seq > seq);
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
        this.#waiting.delete(done);
        res.off('close', done);
        resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      this.#waiting.add(done);
      res.on('close', done);
    });
  }

  async handle(req, res, url) {
    if (req.method !== 'GET') return this.#send(req, res, 405, { error: 'use GET' });

    const cursor = url.searchParams.get('cursor');
    if (cursor === null) {
      this.#drop();
      // Weak: `as_of` moves on while the state behind it is the same.
      const etag = `W/"${this.#run}.${this.#seq}.${this.#entries.size}"`;
      const known = (req.headers['if-none-match'] ?? '').split(/,\s*/);
      if (known.includes(etag)) return this.#send(req, res, 304, undefined, { etag });
      return this.#send(req, res, 200, this.#page({ seq: 0, full: true }), { etag });
    }

    const position = this.#position(cursor);
    if (!position) return this.#send(req, res, 410, { error: 'unknown cursor: take the full state' });

    const wait = Math.min(Number(url.searchParams.get('wait')) || 0, MAX_WAIT);
    if (wait > 0 && !position.full && position.seq === this.#seq) {
      await this.#news(res, wait);
      if (res.destroyed) return undefined;
    }
    return this.#send(req, res, 200, this.#page(position));
  }

  #send(req, res, status, body, headers = {}) {
    const fields = { 'cache-control': 'no-cache', vary: 'accept-encoding', ...headers };
    if (body === undefined) return res.writeHead(status, fields).end();

    let bytes = Buffer.from(JSON.stringify(body));
    fields['content-type'] = 'application/json';
    if (/\bgzip\b/.test(req.headers['accept-encoding'] ?? '')) {
      bytes = gzipSync(bytes);
      fields['content-encoding'] = 'gzip';
    }
    return res.writeHead(status, { ...fields, 'content-length': bytes.length }).end(bytes);
  }
}
