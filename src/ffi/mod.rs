//! The C API: pointers in, slices inside, errors out as codes.
//!
//! Unsafe code is here and in `shared`, nowhere else. Every exported function runs its body inside
//! `status::guard`, so that no panic crosses into C. Pointers become slices in `slice`, structs are read in
//! `sized`, handles live in `handle`. `docs/C_API.md` states the conventions of all functions; the
//! documentation of each function states only what is special about it.
//!
//! Each file is one part of the C header: `cargo xtask header` writes the parts in reading order.
#![allow(non_camel_case_types)]

mod batch;
mod block;
mod block_info;
mod codec;
mod codes;
mod fitter;
mod handle;
mod layout;
mod params;
mod profile;
mod rows;
mod sized;
mod skeleton;
mod slice;
mod status;
mod version;
mod views;
mod workspace;

pub use batch::*;
pub use block::*;
pub use block_info::*;
pub use codec::*;
pub use codes::*;
pub use fitter::*;
pub use layout::*;
pub use params::*;
pub use profile::*;
pub use rows::*;
pub use skeleton::*;
pub use status::*;
pub use version::*;
pub use workspace::*;

#[cfg(panic = "abort")]
compile_error!("kakeyaturbo turns panics into a status at the C boundary: build it with panic = \"unwind\"");
