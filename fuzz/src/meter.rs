//! How much memory one input costs: the largest piece, and all that is alive at once; without a sanitizer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// No input of up to 256 KB may be worth a larger piece: what a length in it claims is not believed.
const LARGEST: usize = 64 << 20;
/// Nor may all its pieces cost a function more at one time: the smallest function has 128 MB.
pub const FUNCTION: usize = 64 << 20;
/// The local cloud runs on a workstation, and holds documents as trees: 256 KB of maps with one member are 87,000 of them.
pub const WORKSTATION: usize = 256 << 20;

struct Meter;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static PIECE: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static METER: Meter = Meter;

// SAFETY: every call goes to the system's allocator as it came; only its size is noted.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PIECE.fetch_max(layout.size(), Relaxed);
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as it came.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Runs one input and fails when it needs too much memory.
pub fn metered(data: &[u8], most: usize, law: impl Fn(&[u8])) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    PIECE.store(0, Relaxed);
    law(data);
    let (cost, piece) = (PEAK.load(Relaxed).saturating_sub(before), PIECE.load(Relaxed));
    assert!(piece <= LARGEST, "{} bytes of input make one piece of {piece} bytes", data.len());
    assert!(cost <= most, "{} bytes of input cost {cost} bytes of memory", data.len());
}
