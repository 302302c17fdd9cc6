//! When a changed setting counts.

use std::fmt;

/// From when on another value of a setting counts that is read anew while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// From the next message, request or timer on, also on connections that are open.
    Live,
    /// For connections that come from then on; those that are open stay as they are.
    NewConnections,
    /// When the program is started anew.
    Restart,
}

impl Effect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Live, Self::NewConnections, Self::Restart];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::NewConnections => "new connections",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
