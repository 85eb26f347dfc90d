//! Feeds `ingest` with what libFuzzer makes, and counts the memory that it takes.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use klaviyo_relay_fuzz::memory::{self, Counter};

/// The system's allocator, counting.
struct Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn count(change: impl FnOnce(usize) -> usize) {
    // A thread that ends has no counters left.
    let _ended = BYTES.try_with(|bytes| {
        bytes.set(change(bytes.get()));
        let _ended = PEAK.try_with(|peak| peak.set(peak.get().max(bytes.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|bytes| bytes.saturating_add(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(|bytes| bytes.saturating_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(|bytes| bytes.saturating_sub(layout.size()).saturating_add(size));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn reset() {
    BYTES.set(0);
    PEAK.set(0);
}

libfuzzer_sys::fuzz_target!(
    init: memory::count_by(Counter { peak: || PEAK.get(), reset }),
    |data: &[u8]| klaviyo_relay_fuzz::ingest::target(data)
);
