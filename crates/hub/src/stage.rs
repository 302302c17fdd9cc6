//! Where the program is in its life, for whoever asks whether to send it clients.

/// Where the program is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Not everything is there yet.
    Starting,
    /// It serves.
    #[default]
    Serving,
    /// It serves on, but ends soon: each answer is the last of its connection.
    Ending,
}

impl Stage {
    /// The stage of this number; of one that is none, the last.
    pub fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Starting,
            1 => Self::Serving,
            _ => Self::Ending,
        }
    }
}
