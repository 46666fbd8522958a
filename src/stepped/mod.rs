//! The coder at a step: preset rdo with a fixed error and a size that follows the data.
//!
//! Panels of rows go through the transform of the skeleton ([`panel`]). Their coefficients are quantised
//! uniformly ([`quantizer`]), or by a search through a trellis ([`trellis`]), and entropy-coded in runs of
//! rows: the rate model ([`rate`], with its trained [`tables`]) says how likely each value is, the range
//! coder ([`rans`]) turns that into bits. [`encode`] and [`decode`] do that for the rows of a block;
//! [`search`] finds the finest step that fits.
//!
//! One step for all components spends the fewest bits for a given squared error, as long as the components
//! are uncorrelated: reverse water-filling. That is why the skeleton has full rank here. A component whose
//! variance is far below the step codes to zeros and costs almost nothing.

pub(crate) mod decode;
pub(crate) mod encode;
mod family;
pub(crate) mod panel;
mod points;
pub(crate) mod quantizer;
pub mod rans;
pub mod rate;
mod run_reader;
pub(crate) mod scratch;
pub(crate) mod search;
mod tables;
pub(crate) mod trellis;

use crate::error::Result;
use crate::params::Settings;
use crate::skeleton::Skeleton;
use fearless_simd::Level;
use panel::Transform;
use quantizer::Stepper;

/// The tables of a codec at a step. Immutable, so threads share them.
#[derive(Debug)]
pub(crate) struct Stepped {
    pub stepper: Stepper,
    pub transform: Transform,
}

impl Stepped {
    /// Tables for blocks that share a skeleton of full rank. `level` is the tier that packs its matrices; the
    /// packed values are the same on every tier.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn new(level: Level, settings: &Settings, skeleton: &Skeleton) -> Result<Self> {
        Ok(Self {
            stepper: Stepper::new(skeleton.variances(), settings)?,
            transform: Transform::new(level, skeleton)?,
        })
    }
}
