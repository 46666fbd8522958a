//! The C API: the only unsafe code of the crate. Pointers in, slices out, errors to codes.
//!
//! Every exported function runs its body inside `boundary::guard`, so that no panic crosses into C. Pointers
//! become slices in `slice`, structs are read in `sized`, handles live in `handle`. The conventions that
//! all functions keep are in `docs/C_API.md`; the documentation of each function states what differs.
#![allow(non_camel_case_types)]

mod batch;
mod block;
mod boundary;
mod codec;
mod handle;
mod hash;
mod init;
mod profile;
mod profile_builder;
mod profile_types;
mod rows;
pub(crate) mod shared;
mod sized;
mod skeleton;
mod slice;
mod status;
mod types;
mod version;
mod workspace;

pub use batch::*;
pub use block::*;
pub use codec::*;
pub use hash::*;
pub use init::*;
pub use profile::*;
pub use profile_builder::*;
pub use profile_types::*;
pub use skeleton::*;
pub use status::*;
pub use types::*;
pub use version::*;
pub use workspace::*;

#[cfg(panic = "abort")]
compile_error!("kakeyaturbo turns panics into a status at the C boundary: build it with panic = \"unwind\"");
