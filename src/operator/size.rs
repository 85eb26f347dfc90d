//! Sizes in readable units, for the screen and the page.

/// Bytes in the largest unit that still gives a useful whole number.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..=0xF_FFFF => format!("{} KiB", bytes.div_ceil(1 << 10)),
        0x10_0000..=0x2_7FFF_FFFF => format!("{} MiB", bytes >> 20),
        0x2_8000_0000.. => format!("{} GiB", bytes >> 30),
    }
}
