//! Profiles: everything that was fitted to and measured for a model.

mod builder;
mod codec;
mod model;
mod quality;
mod stream;
mod stream_key;

pub use builder::*;
pub use codec::*;
pub use model::*;
pub use quality::*;
pub use stream::*;
pub use stream_key::*;

/// The first element; NULL if there is none.
fn pointer_to<T>(values: &[T]) -> *const T {
    if values.is_empty() { std::ptr::null() } else { values.as_ptr() }
}
