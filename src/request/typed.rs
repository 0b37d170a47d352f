//! The claims as types of the caller, each read once for each verdict.

use std::any::Any;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;

/// One type's value, and then the other types': a program asks for few of them. Small, for most verdicts have none.
#[derive(Default)]
pub(super) struct Typed(OnceLock<Box<One<dyn Any + Send + Sync>>>);

struct One<T: ?Sized> {
    next: Typed,
    value: T,
}

impl Typed {
    /// The value of type `T`, made from `json` where nobody has asked for it before.
    pub(super) fn get<T>(&self, json: &str) -> Result<&T, serde_json::Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let mut typed = self;
        loop {
            let one = match typed.0.get() {
                Some(found) => found,
                None => {
                    let value: T = serde_json::from_str(json)?;
                    // Where another thread was faster its value counts; ours is dropped.
                    typed.0.get_or_init(|| Box::new(One { next: Self::default(), value }))
                }
            };
            match one.value.downcast_ref() {
                Some(value) => return Ok(value),
                None => typed = &one.next,
            }
        }
    }
}
