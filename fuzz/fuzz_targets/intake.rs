#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::metered(data, fuzz::FUNCTION, fuzz::product::event));
