//! `[forward]`: what the upstream gets to know about the token.

use std::collections::BTreeMap;

use http::HeaderName;
use serde::Deserialize;

use crate::headers;

/// What the upstream gets to know about the token.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forward {
    #[serde(default)]
    authorization: Authorization,
    #[serde(default)]
    headers: BTreeMap<Declared, String>,
}

impl Forward {
    /// On public routes too: there it keeps strangers from setting the declared headers.
    pub(crate) fn to_layer(&self) -> tower_bearer::Forward {
        let declared =
            self.headers.iter().filter_map(|(header, claim)| Some((header.name()?, claim.as_str())));
        let layer = tower_bearer::Forward::new();
        let layer = declared.fold(layer, |layer, (header, claim)| layer.claim(header, claim));
        match self.authorization {
            Authorization::Drop => layer,
            Authorization::Keep => layer.keep_authorization(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Authorization {
    #[default]
    Drop,
    Keep,
}

/// A header that carries a claim.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct Declared(String);

impl TryFrom<String> for Declared {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let complaint = |problem: &str| format!("`{text}` {problem}: use a name such as \"x-auth-subject\"");
        let name = HeaderName::try_from(&text).map_err(|_| complaint("is no header name"))?;
        if headers::can_carry_claim(&name) {
            Ok(Self(name.as_str().to_owned()))
        } else {
            Err(complaint("is a header that the gateway or HTTP itself needs"))
        }
    }
}

impl Declared {
    fn name(&self) -> Option<HeaderName> {
        HeaderName::try_from(&self.0).ok()
    }
}
