//! What only unsafe code can do, and what belongs to it: a thread's own table of open files, how files come from one table to
//! another, the memory of the program, and sends to many clients in one call of the kernel.
//!
//! All unsafe code of the program is here, and each block says why it is right. What is public is safe whatever its
//! callers do, but for one promise that no type can ask for: see [`unshare`]. The crate knows threads, memory and sockets,
//! but no connection, no message and no setting.

mod allocator;
mod fd_table;
mod parcels;
mod ring;

pub use allocator::{Allocator, give_back, only_small_pages};
pub use fd_table::unshare;
pub use parcels::{PARCEL_FILES_MAX, PARCEL_LEN_MAX, Parcels};
pub use ring::{Ring, has_io_uring};
