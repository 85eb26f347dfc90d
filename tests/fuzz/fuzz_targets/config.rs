//! Feeds `config` with what libFuzzer makes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| klaviyo_relay_fuzz::config::target(data));
