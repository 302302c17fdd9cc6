//! The file that another program is started from: looked at, opened once, and run by what was opened.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{bail, ensure};
use rustix::fs::OFlags;
use rustix::process::geteuid;
use sys::Parcels;

use super::take::VARIABLE;
use crate::limits::UPGRADE_START;

/// A file that may be run.
pub(super) struct Candidate {
    path: PathBuf,
    file: File,
}

/// A program that was started from it, and the line to it. It is ended where it is not let go.
pub(super) struct Started {
    child: Option<Child>,
    pub(super) line: Parcels,
}

impl Candidate {
    /// Opens a file, and looks at what was opened.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        ensure!(path.is_absolute(), "{} is no absolute path", path.display());
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let opened = File::options().read(true).custom_flags(flags).open(path);
        let file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => anyhow::anyhow!(
                "{} may not be opened; the sandbox lets programs be started from the folder of the running one alone",
                path.display()
            ),
            _ => anyhow::Error::new(error).context(format!("{} cannot be opened", path.display())),
        })?;
        let found = file.metadata()?;
        ensure!(found.is_file(), "{} is no regular file", path.display());
        let own = geteuid().as_raw();
        if found.uid() != 0 && found.uid() != own {
            bail!(
                "{} belongs to user {}; only root's or this program's own are run",
                path.display(),
                found.uid()
            );
        }
        ensure!(
            found.mode() & 0o022 == 0,
            "others than its owner may write to {}; chmod go-w it",
            path.display()
        );
        ensure!(found.mode() & 0o111 != 0, "{} is no program: it is not executable", path.display());
        Ok(Self { path: path.to_owned(), file })
    }

    /// Starts it with the arguments and the environment of this program, and a line to this one as its standard input.
    pub(super) fn start(self) -> anyhow::Result<Started> {
        let (mut line, other) = Parcels::pair()?;
        line.set_patience(UPGRADE_START)?;
        let mut said = std::env::args_os();
        let mut command = Command::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        command.arg0(said.next().unwrap_or_else(|| self.path.clone().into_os_string()));
        command.args(said).env(VARIABLE, std::process::id().to_string());
        command.stdin(Stdio::from(OwnedFd::from(other)));
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => anyhow::anyhow!(
                "{} may not be run; the sandbox lets programs be started from the folder of the running one alone",
                self.path.display()
            ),
            _ => anyhow::Error::new(error).context(format!("{} does not start", self.path.display())),
        })?;
        Ok(Started { child: Some(child), line })
    }
}

impl Started {
    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// It goes on by itself; the number of its process.
    pub(super) fn let_go(&mut self) -> u32 {
        self.child.take().map_or(0, |child| child.id())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; and who was killed is waited for no longer than that takes.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn why_not(path: &Path) -> String {
        Candidate::open(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn only_programs_that_nobody_else_can_change_are_run() {
        let folder = std::env::temp_dir().join(format!("candidate-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("program");
        assert!(why_not(&path).ends_with("cannot be opened"));
        fs::write(&path, "").unwrap();
        for (mode, why) in [
            (0o644, "is no program: it is not executable"),
            (0o775, "chmod go-w it"),
            (0o757, "chmod go-w it"),
            (0o755, ""),
            (0o500, ""),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let said = why_not(&path);
            assert!(said.contains(why) && said.is_empty() == why.is_empty(), "{mode:o} {said}");
        }
        assert!(why_not(&folder).ends_with("is no regular file"));
        assert!(why_not(Path::new("program")).ends_with("is no absolute path"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
