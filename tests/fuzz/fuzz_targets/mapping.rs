//! Feeds `mapping` with what libFuzzer makes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| klaviyo_relay_fuzz::mapping::target(data));
