//! Every cap in one table.
//!
//! Foreign bytes enter at four places: the `Authorization` header, the key set, the metadata document and the
//! revocation feed. Each is bounded here before anything is parsed.

use std::time::Duration;

// === Authorization header and token (the request's way) ===

/// The whole `Authorization` value, in bytes. Real access tokens are below 4 KiB.
pub(crate) const AUTHORIZATION_BYTES: usize = 16 * 1024;
/// The JOSE header before decoding, in bytes.
pub(crate) const JOSE_HEADER_BYTES: usize = 4 * 1024;
/// A `kid`, in bytes.
pub(crate) const KEY_ID_BYTES: usize = 256;
/// Nesting of arrays and objects in a JOSE header.
pub(crate) const HEADER_DEPTH: usize = 8;
/// Nesting of arrays and objects in a claims set.
pub(crate) const CLAIMS_DEPTH: usize = 16;
/// Members of one JSON object, in a token or a feed.
pub(crate) const OBJECT_MEMBERS: usize = 256;
/// The largest signature, in bytes: RSA with 8192 bits.
pub(crate) const SIGNATURE_BYTES: usize = 1024;
/// Keys that are tried for one token, where its `kid` does not single one out.
pub(crate) const KEY_TRIES: usize = 4;

// === Memory of the request's way ===

/// Verdicts that are kept, in bytes, unless configured.
pub(crate) const VERDICT_CACHE_BYTES: usize = 32 * 1024 * 1024;
/// Verdicts that one thread keeps at hand.
pub(crate) const FRONT_VERDICTS: usize = 4096;
/// Longer tokens are not kept at hand: with [`FRONT_VERDICTS`] this bounds what a thread holds.
pub(crate) const FRONT_TOKEN_BYTES: usize = 4 * 1024;
/// Headers that one thread recognises.
pub(crate) const KNOWN_HEADERS: usize = 8;

// === Key sets and metadata ===

/// A metadata document, in bytes.
pub(crate) const METADATA_BYTES: usize = 256 * 1024;
/// A JWK set, or a file of keys, in bytes.
pub(crate) const KEY_SET_BYTES: usize = 512 * 1024;
/// Keys in a set; what comes after them is left out and counted.
pub(crate) const KEYS: usize = 64;
/// Members of a set that are looked at; of what comes after them only the number is kept.
pub(crate) const KEY_MEMBERS: usize = 256;
/// RSA moduli, in bits (RFC 7518 §3.3 asks for 2048 or more; larger ones than 8192 only cost time).
pub(crate) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// How long requests may wait for one shared fetch after an unknown `kid`.
pub(crate) const BELL_WAIT: Duration = Duration::from_secs(2);
/// Time between two fetches that unknown `kid`s caused. Attempts count, not successes.
pub(crate) const BELL_COOLDOWN: Duration = Duration::from_secs(5);
/// Requests that may wait for the bell at once; the ones after them are told to come back.
pub(crate) const BELL_WAITERS: usize = 1024;
/// `kid`s remembered as absent from the newest key set.
pub(crate) const ABSENT_KEY_IDS: u64 = 256;
/// Time between two scheduled key fetches, where the issuer does not say how long its keys hold.
pub(crate) const KEYS_REFRESH: Duration = Duration::from_secs(300);
/// What an issuer may say about that is kept within these bounds: a key that it takes away must go soon.
pub(crate) const KEYS_REFRESH_BOUNDS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(3600);
/// Time between two looks at a file of keys.
pub(crate) const KEYS_FILE_LOOK: Duration = Duration::from_secs(5);
/// How long a key set that can no longer be fetched is relied on, unless configured; counted from when it should have
/// been fetched again.
pub(crate) const KEYS_STALE_AFTER: Duration = Duration::from_secs(3600);

// === Tenants ===

/// Tenants under one pattern or list, unless configured.
pub(crate) const TENANTS: usize = 1000;
/// What stands for a tenant in a pattern, in bytes: as much as a label of a host name may have.
pub(crate) const TENANT_BYTES: usize = 63;
/// How long after its last good token a tenant is kept up, unless configured.
pub(crate) const TENANT_IDLE: Duration = Duration::from_secs(3600);
/// Tenants at once of which no token has been verified yet: strangers can make their names up.
pub(crate) const TENANTS_ON_PROBATION: usize = 64;
/// How long they have until one is.
pub(crate) const TENANT_PROBATION: Duration = Duration::from_secs(60);
/// How long a tenant that turned out to have no keys is not asked again.
pub(crate) const TENANT_ABSENT: Duration = Duration::from_secs(60);
/// Tenants that are remembered as having none.
pub(crate) const ABSENT_TENANTS: u64 = 1024;
/// Time between two looks for tenants that can be let go of.
pub(crate) const TENANTS_SWEEP: Duration = Duration::from_secs(10);

// === Revocation feed ===

/// One page of a feed after decompression, in bytes.
pub(crate) const FEED_PAGE_BYTES: usize = 64 * 1024 * 1024;
/// Pages of one answer (`more: true`) before the feed counts as broken.
pub(crate) const FEED_PAGES: usize = 10_000;
/// How long a source that users wrote may take for one answer, unless its `max_staleness` is longer.
pub(crate) const SOURCE_ANSWER: Duration = Duration::from_secs(60);
/// What a source that users wrote says of its failure is shown up to this many bytes.
pub(crate) const SOURCE_WORDS_BYTES: usize = 256;
/// For how long a question may be held while there is nothing new. Proxies drop connections that are idle for longer.
pub(crate) const LONG_POLL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(60);
/// `max_staleness` must leave this much beyond a held question, for its answer to be lost and asked for again.
pub(crate) const LONG_POLL_MARGIN: Duration = Duration::from_secs(5);
/// The least time from one held question to the next.
pub(crate) const LONG_POLL_PAUSE: Duration = Duration::from_millis(10);
/// How well the two clocks must be known for a question to be held: its answer is as old as `as_of` says, give or take this.
pub(crate) const LONG_POLL_DOUBT: Duration = Duration::from_secs(3);
/// A plain list after decompression, in bytes.
pub(crate) const LIST_BYTES: usize = 64 * 1024 * 1024;
/// One page of grants in Auth0's Management API, in bytes.
pub(crate) const AUTH0_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Grants on such a page: the most that can be asked for.
pub(crate) const AUTH0_PAGE: usize = 100;
/// Pages of one listing there before it counts as broken.
pub(crate) const AUTH0_PAGES: usize = 10_000;
/// Grants that are remembered in a snapshot.
pub(crate) const AUTH0_KEPT_GRANTS: usize = 1000;
/// One page of Auth0's log, in bytes: its entries hold what was sent to the Management API, a megabyte at most each.
pub(crate) const AUTH0_LOG_PAGE_BYTES: usize = 32 * 1024 * 1024;
/// Pages of the log that one poll reads.
pub(crate) const AUTH0_LOG_PAGES: usize = 50;
/// The longest pause before the next poll where one has left something unread.
pub(crate) const READ_ON: Duration = Duration::from_secs(1);
/// Polls that a start may take while each reads on where the last one stopped: a million entries of a log.
pub(crate) const STARTING_POLLS: u32 = 200;
/// For how long every tenant keeps its log at least.
pub(crate) const AUTH0_LOG_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How exactly it is remembered until when the log was read.
pub(crate) const AUTH0_LOG_STEP: Duration = Duration::from_secs(600);
/// Tokens of which it is remembered who received them.
pub(crate) const AUTH0_EXCHANGES: usize = 20_000;
/// Revocations that are remembered until they are known to have been taken in. Beyond that everybody's tokens are cut off if
/// they have to be told again.
pub(crate) const AUTH0_TOLD: usize = 100_000;
/// Time between two notes in our log on the same trouble with the tenant's.
pub(crate) const AUTH0_TELLING: Duration = Duration::from_secs(600);
/// How much of one message of Auth0's stream of events is kept, in bytes, and so of each of its lines. A user's profile is in
/// it, with up to 16 MB of metadata that users may write themselves: of longer messages only what counts is kept.
pub(crate) const EVENT_BYTES: usize = 256 * 1024;
/// Room for a line that is kept for the next one, in bytes.
pub(crate) const EVENT_LINE_KEPT: usize = 16 * 1024;
/// An offset in that stream, in bytes: the most that may be sent back.
pub(crate) const EVENT_OFFSET_BYTES: usize = 1024;
/// Messages of it that may wait to be taken in; its reader waits beyond that.
pub(crate) const EVENTS_UNTAKEN: usize = 64;
/// A stream that was gone on with has told what was missed when it is quiet for this long.
pub(crate) const EVENTS_QUIET: Duration = Duration::from_secs(1);
/// The least `max_staleness` beside such a stream; after a third of it in silence the stream is opened again.
pub(crate) const EVENTS_STALENESS: Duration = Duration::from_secs(15);
/// Until a stream that has ended is opened again, where it does not say.
pub(crate) const EVENTS_RETRY: Duration = Duration::from_secs(1);
/// An answer of a token endpoint, in bytes.
pub(crate) const TOKEN_ANSWER_BYTES: usize = 64 * 1024;
/// A token of client credentials is used for this long where its `expires_in` is missing.
pub(crate) const CLIENT_TOKEN_LIFETIME: Duration = Duration::from_secs(60);
/// Time between two notes in the log of what a source on trial would refuse.
pub(crate) const DRY_RUN_TELLING: Duration = Duration::from_secs(60);
/// A watched token is looked at so often at least: a step of the wall clock is noticed after that time, and a tenant whose
/// token is watched does not become idle.
pub(crate) const WATCH_LOOK: Duration = Duration::from_secs(30);
/// What an entry of a source without pages counts for there, in bytes.
pub(crate) const ENTRY_WEIGHT: usize = 64;
/// Larger pages are read on a thread that may block.
pub(crate) const FEED_INLINE_BYTES: usize = 64 * 1024;
/// How far `as_of` may fall behind without making an answer old: it is in seconds, and replicas differ a little.
pub(crate) const AS_OF_SLACK: Duration = Duration::from_secs(2);
/// Beside more entries than these, changes are made on a thread that may block.
pub(crate) const LARGE: usize = 50_000;
/// How long answers must lag by the same before that counts as the server's clock having been set back, at least.
pub(crate) const CLOCK_SET: Duration = Duration::from_secs(120);
/// Questions from the same cursor that may stay unanswered before everything is asked for.
pub(crate) const CURSOR_TRIES: u32 = 3;
/// How far ahead of `as_of` an entry's `at` may lie.
pub(crate) const SAID_AHEAD: Duration = Duration::from_secs(300);
/// Cut-offs kept apart for the same claims; more of them become one that covers them all.
pub(crate) const CUT_OFFS_APART: usize = 8;
/// Nesting in a feed page.
pub(crate) const FEED_DEPTH: usize = 8;
/// Claims in one entry's conjunction.
pub(crate) const ENTRY_CLAIMS: usize = 8;
/// Bytes of a claim's name or value in an entry.
pub(crate) const ENTRY_VALUE_BYTES: usize = 4 * 1024;
/// Different sets of claim names among the entries of one issuer: each costs a look-up on every request.
pub(crate) const ENTRY_SHAPES: usize = 32;
/// Identifiers, cut-offs and withdrawals kept of one source. What comes beyond is refused, and the feed is not fresh.
pub(crate) const ENTRIES: usize = 10_000_000;
/// Identifiers of one set of claim names that are kept live before they are put in bulk.
pub(crate) const LIVE_IDENTIFIERS: usize = 16 * 1024;
/// Cut-offs, likewise; a page copies those that are live.
pub(crate) const LIVE_CUT_OFFS: usize = 1024;
/// Entries in bulk for each one that may be live, where that is more: putting them in bulk costs as much as there are.
pub(crate) const BULK_PER_LIVE: usize = 64;
/// Entries of a bulk that have been taken back before it is made anew.
pub(crate) const TAKEN_BACK: usize = 1024;
/// Steps that one token may cost one shape (a token with many audiences has several conjunctions).
pub(crate) const SHAPE_LOOKUPS: usize = 256;
/// Of what one source said last, entries that tokens are compared with one by one before all are looked up.
pub(crate) const RECENT_ENTRIES: usize = 64;
/// How far ahead of now `issued_before` may lie.
pub(crate) const CUT_OFF_AHEAD: Duration = Duration::from_secs(24 * 3600);
/// How long entries are kept past the last moment at which their tokens could be valid.
pub(crate) const ENTRY_LAG: Duration = Duration::from_secs(3600);
/// Deadlines of entries are spread over this time, so that no single moment drops a million of them.
pub(crate) const ENTRY_JITTER: Duration = Duration::from_secs(60);

// === Connections ===

/// Issuers that are asked at the same time by an eager start.
pub(crate) const STARTS: usize = 32;
/// Until a connection stands, TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Until a whole answer has been read.
pub(crate) const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The least that a feed is given to answer in, however short its `max_staleness`.
pub(crate) const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
/// The first pause after a failed fetch; it doubles from there.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest pause while there are no usable keys at all.
pub(crate) const BACKOFF_BLIND: Duration = Duration::from_secs(2);
/// The longest pause after failed fetches.
pub(crate) const BACKOFF_LONGEST: Duration = Duration::from_secs(30);

// === Words in logs and health ===

/// Foreign text is shown up to this many bytes.
pub(crate) const SHOWN_BYTES: usize = 64;
