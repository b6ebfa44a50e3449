//! Running a program as root that is not: it sees itself as root, and what only root may do to files is
//! recorded instead.
//!
//! Any program, static or dynamic, in any namespace. What the file system can hold (names, contents, modes
//! without special bits) is real; what it cannot is in [`Records`], and `stat` tells it.

mod calls;
mod deeds;
mod identities;
mod machine;
mod records;
mod status;
mod tracer;

pub use machine::ARCHITECTURE;
pub use records::{Device, Identity, Record, Records, SPECIAL};
pub use tracer::{End, Role, watch};
