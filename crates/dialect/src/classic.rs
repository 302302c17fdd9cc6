//! Which dialect of old a listener speaks. Two of them answer the same bytes differently, so it has one.

/// What is understood where bytes are no request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Classic {
    /// Nothing: all is strict HTTP.
    None,
    /// dklab_multiplexor, 2009.
    #[default]
    Dklab,
    /// Dklab_Realplexor, 2009 to 2014.
    Realplexor,
}

impl Classic {
    /// All of them, by number.
    pub const ALL: [Self; 3] = [Self::None, Self::Dklab, Self::Realplexor];
}
