#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kakeyaturbo_fuzz::targets::differential(data));
