//! The handle's part for the Management API: its limits, its events and how their streams break.

use serde_json::Value;

use super::super::AuthorizationServer;
use super::RateLimit;

/// The Management API.
impl AuthorizationServer {
    /// Limits the calls of the Management API, from a full bucket; none lifts the limit. Default: none.
    pub fn set_rate_limit(&self, limit: impl Into<Option<RateLimit>>) {
        self.shared.meter.set(limit.into());
    }

    /// Tells the stream of events that something of `kind`, such as `organization.member.deleted`, happened to
    /// `object`. Nothing else follows from it.
    pub fn emit_event(&self, kind: &str, object: &Value) {
        let mut state = self.shared.lock();
        let now = self.shared.wall();
        state.tenant.events.add(kind, object, &self.shared.settings.issuer, now);
        drop(state);
        self.shared.wake();
    }

    /// Writes an entry into the log, such as `slo`, with these members beside its id, date and type. Nothing else follows
    /// from it.
    pub fn write_log(&self, kind: &str, members: Value) {
        let mut state = self.shared.lock();
        let now = self.shared.wall();
        state.tenant.logs.add(kind, members, now);
    }

    /// Forgets the log but for its last `kept` entries, as time does: a checkpoint from before gets 400.
    pub fn expire_logs(&self, kept: usize) {
        self.shared.lock().tenant.logs.expire(kept);
    }

    /// Forgets all events, as time does: streams that are open end with `cursor_expired`, and who comes back with an
    /// offset from before gets 410.
    pub fn expire_events(&self) {
        self.shared.lock().tenant.events.expire();
        self.shared.wake();
    }

    /// Ends every open stream of events with `event: error` and this code, such as `timeout` or `processing_error`.
    pub fn end_event_streams(&self, code: &str) {
        let mut state = self.shared.lock();
        let ended = &mut state.tenant.events.ended;
        *ended = (ended.0 + 1, code.to_owned());
        drop(state);
        self.shared.wake();
    }
}
