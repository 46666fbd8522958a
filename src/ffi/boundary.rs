//! The boundary that every call from C passes: errors become codes, panics do not pass.

use super::status::record;
use super::types::{KAKEYA_OK, kakeya_status};
use crate::error::{Error, PanicText, Result};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an exported function. What goes wrong is recorded as this thread's last error.
pub(super) fn guard(body: impl FnOnce() -> Result<()>) -> kakeya_status {
    // Objects that a panic may leave half-changed are poisoned by their own guards.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => KAKEYA_OK,
        Ok(Err(error)) => record(&error),
        Err(payload) => {
            let error = Error::Panic(PanicText::new(text_of(&*payload)));
            // A payload may panic when it is dropped.
            std::mem::forget(payload);
            record(&error)
        }
    }
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::super::types::{KAKEYA_ERR_NOT_RUN, KAKEYA_ERR_PANIC};
    use super::*;

    #[test]
    fn panics_become_a_status() {
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(guard(|| panic!("plain")), KAKEYA_ERR_PANIC);
        assert_eq!(guard(|| panic!("with a {}", "value")), KAKEYA_ERR_PANIC);
        assert_eq!(guard(|| std::panic::panic_any(7)), KAKEYA_ERR_PANIC);
        let _ = std::panic::take_hook();
        assert_eq!(guard(|| Err(Error::NotRun)), KAKEYA_ERR_NOT_RUN);
        assert_eq!(guard(|| Ok(())), KAKEYA_OK);
    }
}
