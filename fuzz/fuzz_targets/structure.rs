#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hubcheck_fuzz::hold("structure", input));
