//! The claims as types of the caller, each read once for each verdict.

use std::any::{Any, TypeId};
use std::sync::OnceLock;

use serde::de::DeserializeOwned;

/// One type's value, and then the other types': a program asks for few of them.
#[derive(Default)]
pub(super) struct Typed {
    here: OnceLock<(TypeId, Box<dyn Any + Send + Sync>)>,
    next: OnceLock<Box<Self>>,
}

impl Typed {
    /// The value of type `T`, made from `json` where nobody has asked for it before.
    pub(super) fn get<T>(&self, json: &str) -> Result<&T, serde_json::Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let mut typed = self;
        loop {
            let (id, value) = match typed.here.get() {
                Some(found) => found,
                None => {
                    let value: T = serde_json::from_str(json)?;
                    // Where another thread was faster its value counts; ours is dropped.
                    typed.here.get_or_init(|| (TypeId::of::<T>(), Box::new(value)))
                }
            };
            match value.downcast_ref::<T>() {
                Some(value) if *id == TypeId::of::<T>() => return Ok(value),
                _ => typed = typed.next.get_or_init(Box::default),
            }
        }
    }
}
