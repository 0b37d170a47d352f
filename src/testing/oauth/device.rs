//! Device authorization (RFC 8628): a device without a keyboard shows a code, and its user approves it elsewhere.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::encoding::random_id;
use super::super::state::{Shared, path};
use super::super::tenant::{Decision, Device, Parties};
use super::authorize::{check_user, consent};
use super::code::tokens;
use super::parameters::Parameters;
use super::refusal::Refusal;

/// Auth0's.
const CODE_LIFETIME: Duration = Duration::from_secs(900);
const INTERVAL: Duration = Duration::from_secs(5);

/// `POST /oauth/device/code`.
pub(super) async fn begin(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let asked = Parameters::read(request).await?;
    let mut state = shared.lock();
    let client_id = asked.authenticate(&state.tenant)?;
    let audience = asked.audience.ok_or(Refusal("invalid_request", "audience is missing"))?;
    state.tenant.api(&audience).ok_or(Refusal("access_denied", "there is no such API"))?;
    let code = random_id();
    let user_code: String = random_id().chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let device = Device {
        user_code: user_code.to_uppercase(),
        client_id,
        audience,
        scope: asked.scope.unwrap_or_default(),
        issued: shared.wall(),
        asked: None,
        decision: Decision::Pending,
    };
    let uri = format!("{}{}", shared.settings.base, path::ACTIVATE);
    let answer = json!({
        "device_code": code, "user_code": device.user_code, "verification_uri": uri,
        "verification_uri_complete": format!("{uri}?user_code={}", device.user_code),
        "expires_in": CODE_LIFETIME.as_secs(), "interval": INTERVAL.as_secs(),
    });
    state.tenant.devices.insert(code, device);
    Ok(Json(answer))
}

/// What a user says to a code; none where no device shows it, or not any more.
pub(in super::super) fn decide(shared: &Shared, user_code: &str, user: Option<&str>) -> Option<()> {
    let mut state = shared.lock();
    let now = shared.wall();
    let tenant = &mut state.tenant;
    let shown = |device: &&mut Device| {
        device.user_code == user_code
            && device.decision == Decision::Pending
            && now <= device.issued.plus(CODE_LIFETIME)
    };
    let device = tenant.devices.values_mut().find(shown)?;
    let Some(user) = user else {
        device.decision = Decision::Denied;
        return Some(());
    };
    let parties = Parties {
        user: user.to_owned(),
        client_id: device.client_id.clone(),
        audience: device.audience.clone(),
    };
    let asked = device.scope.clone();
    check_user(tenant, user).ok()?;
    let scope = consent(tenant, &parties, &asked).ok()?;
    let device = tenant.devices.values_mut().find(shown)?;
    device.scope = scope;
    device.decision = Decision::Approved(parties);
    Some(())
}

/// The device asks whether its user has decided (RFC 8628 §3.4, §3.5).
pub(super) fn exchange(shared: &Shared, asked: &Parameters) -> Result<Response, Refusal> {
    let mut state = shared.lock();
    let now = shared.wall();
    let client_id = asked.authenticate(&state.tenant)?;
    let code = asked.device_code.as_ref().ok_or(Refusal("invalid_request", "device_code is missing"))?;
    let device = state.tenant.devices.get_mut(code).filter(|device| device.client_id == client_id);
    let device = device.ok_or(Refusal("invalid_grant", "the device code is not known"))?;
    if now > device.issued.plus(CODE_LIFETIME) {
        return Err(Refusal("expired_token", "the device code has expired"));
    }
    let early = device.asked.replace(now).is_some_and(|before| now < before.plus(INTERVAL));
    let (decision, scope) = (device.decision.clone(), device.scope.clone());
    let parties = match decision {
        Decision::Pending if early => return Err(Refusal("slow_down", "ask every five seconds")),
        Decision::Pending => return Err(Refusal("authorization_pending", "the user has not decided yet")),
        Decision::Denied => return Err(Refusal("access_denied", "the user said no")),
        Decision::Approved(parties) => parties,
    };
    check_user(&state.tenant, &parties.user)
        .map_err(|_| Refusal("invalid_grant", "the user is gone or blocked"))?;
    let (order, others) = tokens(shared, &mut state, &parties, &scope, "sede", now)?;
    state.tenant.devices.remove(code);
    drop(state);
    Ok(order.answer(shared, others.into()))
}
