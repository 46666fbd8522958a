//! What is measured, as data: each series is a codec with a list of rates.

use kakeyaturbo::{Preset, RateControl, Settings};

use crate::rivals;
use crate::set::Cut;
use crate::set::Cut::{Head, Layer, Layer3};

/// A codec, and the rates at which it is tried.
pub struct Series {
    pub codec: &'static str,
    /// What sets it apart from other series of the codec: `key=value`, or nothing.
    pub variant: &'static str,
    /// What the rate is called: `bits` or `step`; nothing where there is one rate only.
    pub rate: &'static str,
    pub rates: &'static [f32],
    pub cuts: &'static [Cut],
    pub coder: Coder,
}

/// How a series codes rows.
pub enum Coder {
    /// A preset of the library, with settings by rate.
    Preset(fn(f32) -> Settings, Skeletons),
    /// Replaces a row by what it decodes to and returns its bytes.
    Row(fn(&mut [f32]) -> usize),
}

/// Where the skeletons of a preset come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Skeletons {
    /// The preset has none, and takes rows as the engine has them.
    None,
    /// Fitted on the rows of each block and stored in it. K is undone from its rotary embedding.
    Block,
    /// Fitted on other documents, with the settings of this rate. K is undone from its rotary embedding.
    Shared(f32),
    /// The same with the rotary embedding left in place.
    SharedAsTurned(f32),
}

impl Series {
    /// What sets it apart from other series of its codec: `step,effort=1`.
    pub fn family(&self) -> String {
        let parts: Vec<&str> = [self.rate, self.variant].into_iter().filter(|s| !s.is_empty()).collect();
        parts.join(",")
    }

    /// The setting at a rate, as in the JSON lines: `step=0.5,effort=1`.
    pub fn setting(&self, rate: f32) -> Option<String> {
        let rate = if self.rate.is_empty() { String::new() } else { format!("{}={rate}", self.rate) };
        let parts: Vec<&str> = [rate.as_str(), self.variant].into_iter().filter(|s| !s.is_empty()).collect();
        (!parts.is_empty()).then(|| parts.join(","))
    }
}

const BITS: &[f32] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
const AVERAGE_BITS: &[f32] = &[0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0];
const STEPS: &[f32] = &[0.015, 0.03, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9, 1.2, 1.6, 2.2];
/// Steps of a trellis, whose points are twice as dense.
const TRELLIS_STEPS: &[f32] = &[0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.7, 3.6];
/// Steps that bracket the errors of 4, 3 and 2 bits with joined rows.
const FEW_STEPS: &[f32] = &[0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8];
const ONE: &[f32] = &[0.0];

/// All series. The first ones are what the others are compared with.
pub static SERIES: &[Series] = &[
    Series { codec: "turbo", variant: "", rate: "bits", rates: BITS, cuts: &[Head], coder: TURBO },
    Series {
        codec: "q8_0",
        variant: "",
        rate: "",
        rates: ONE,
        cuts: &[Head],
        coder: Coder::Row(rivals::q8_0),
    },
    Series {
        codec: "q4_0_rot",
        variant: "",
        rate: "",
        rates: ONE,
        cuts: &[Head],
        coder: Coder::Row(rivals::q4_0_rotated),
    },
    Series {
        codec: "kakeya",
        variant: "skeleton=block",
        rate: "bits",
        rates: BITS,
        cuts: &[Head],
        coder: Coder::Preset(kakeya, Skeletons::Block),
    },
    Series {
        codec: "kakeya",
        variant: "skeleton=shared",
        rate: "bits",
        rates: BITS,
        cuts: &[Head, Layer, Layer3],
        coder: Coder::Preset(kakeya, Skeletons::Shared(4.0)),
    },
    Series {
        codec: "rdo",
        variant: "",
        rate: "step",
        rates: STEPS,
        cuts: &[Head, Layer, Layer3],
        coder: Coder::Preset(rdo, Skeletons::Shared(0.5)),
    },
    Series {
        codec: "rdo",
        variant: "effort=1",
        rate: "step",
        rates: TRELLIS_STEPS,
        cuts: &[Head, Layer, Layer3],
        coder: Coder::Preset(|step| Settings { effort: 1, ..rdo(step) }, Skeletons::Shared(0.5)),
    },
    Series {
        codec: "rdo",
        variant: "",
        rate: "bits",
        rates: AVERAGE_BITS,
        cuts: &[Head, Layer, Layer3],
        coder: Coder::Preset(rdo_bits, Skeletons::Shared(2.0)),
    },
    Series {
        codec: "rdo",
        variant: "rope=kept",
        rate: "step",
        rates: FEW_STEPS,
        cuts: &[Layer],
        coder: Coder::Preset(rdo, Skeletons::SharedAsTurned(0.5)),
    },
    Series {
        codec: "rdo",
        variant: "kmeans=16",
        rate: "step",
        rates: FEW_STEPS,
        cuts: &[Layer],
        coder: Coder::Preset(|step| Settings { kmeans_k: 16, ..rdo(step) }, Skeletons::Shared(0.5)),
    },
    Series {
        codec: "rdo",
        variant: "kmeans=256",
        rate: "step",
        rates: FEW_STEPS,
        cuts: &[Layer, Layer3],
        coder: Coder::Preset(|step| Settings { kmeans_k: 256, ..rdo(step) }, Skeletons::Shared(0.5)),
    },
];

const TURBO: Coder = Coder::Preset(|bits| Settings { bits, ..Settings::default() }, Skeletons::None);

fn kakeya(bits: f32) -> Settings {
    Settings { preset: Preset::Kakeya, bits, ..Settings::default() }
}

/// The preset rdo at a fixed step, without K-means.
pub fn rdo(step: f32) -> Settings {
    Settings {
        preset: Preset::Rdo,
        rate_control: RateControl::Step,
        step,
        kmeans_k: 0,
        ..Settings::default()
    }
}

fn rdo_bits(bits: f32) -> Settings {
    Settings { preset: Preset::Rdo, bits, kmeans_k: 0, ..Settings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kakeyaturbo::Params;

    #[test]
    fn settings_are_legal_and_have_names_of_their_own() {
        let mut names = Vec::new();
        for series in SERIES {
            for &rate in series.rates {
                names.push((series.codec, series.setting(rate)));
                if let Coder::Preset(settings, _) = series.coder {
                    Params::new(settings(rate)).unwrap();
                }
            }
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.contains(&("kakeya", Some("bits=2,skeleton=block".into()))));
        assert!(names.contains(&("q8_0", None)));
    }
}
