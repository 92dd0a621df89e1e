//! Identifiers: they look random and are a function of a counter.

/// Makes every id in the world, so that the same calls make the same ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    made: u64,
}

impl Ids {
    /// Sixty-four bits that do not repeat (SplitMix64 of a counter).
    pub(crate) fn bits(&mut self) -> u64 {
        self.made += 1;
        let mut z = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 16 hexadecimal digits, as in ELBv2 ARNs.
    pub(crate) fn hex16(&mut self) -> String {
        format!("{:016x}", self.bits())
    }

    /// 32 hexadecimal digits, as in task ids.
    pub(crate) fn hex32(&mut self) -> String {
        format!("{:016x}{:016x}", self.bits(), self.bits())
    }

    /// A UUID of version 4.
    pub(crate) fn uuid(&mut self) -> String {
        let (a, b) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 48 & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// `ecs-svc/9223370526043414679`
    pub(crate) fn deployment(&mut self) -> String {
        format!("ecs-svc/{}", 9_223_370_000_000_000_000 + self.bits() % 2_000_000_000_000)
    }
}
