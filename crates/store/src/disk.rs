//! What the store asks of a disk: one folder of files, one of which is being written. The real one stands here;
//! the simulated one, which tears and lies, in the testkit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder of files. Names are plain names.
pub trait Disk: Send {
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A file from its beginning, up to `len_max` bytes.
    fn read(&self, name: &str, len_max: usize) -> io::Result<Vec<u8>>;
    /// Makes a file durable that was written by somebody else.
    fn sync_file(&mut self, name: &str) -> io::Result<()>;
    /// Begins a new file, which `append`, `truncate` and `sync` are about from now on. When this returns, its
    /// name is durable.
    fn create(&mut self, name: &str) -> io::Result<()>;
    /// Appends all of it, or fails, and then some of it may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file being written.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Makes what was appended durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Puts a small file in the place of one of that name, whole or not at all, and durably.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// A folder of the system, locked against other programs.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folder itself, to sync what it knows of names; opened when it is first needed.
    folder: Option<File>,
    /// The file being written.
    file: Option<File>,
    /// Holds the lock as long as it is open; `None`: only looked at.
    _lock: Option<File>,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another program uses it.
    #[error("{0} is in use by another program; stop that one, or give each its own folder")]
    InUse(PathBuf),
    /// It belongs to somebody else.
    #[error(
        "{path} belongs to user {owner}, and this program runs as user {user}; start it as that user, or change \
         the folder's owner with chown -R"
    )]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// There is something else in it.
    #[error("{0} holds other files and no store; give an empty folder, or one that does not exist yet")]
    Other(PathBuf),
    /// The system refused.
    #[error("{0} cannot be used: {1}")]
    System(PathBuf, io::Error),
}

impl Folder {
    /// Makes a folder, for nobody but its user, if there is none.
    pub fn make(path: &Path) -> Result<(), FolderError> {
        let system = |error| FolderError::System(path.to_owned(), error);
        if !path.try_exists().map_err(system)? {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(system)?;
        }
        Ok(())
    }

    /// Takes a folder for this program alone; makes it if there is none.
    /// The folder must belong to the user that runs the program.
    pub fn take(path: &Path) -> Result<Self, FolderError> {
        let system = |error| FolderError::System(path.to_owned(), error);
        Self::make(path)?;
        let folder = Self::suitable(path, None)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK));
        let lock = lock.map_err(system)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: Some(lock), ..folder }),
            Err(fs::TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(system(error)),
        }
    }

    /// Says whether [`Self::take`] would get this folder if nobody had it, as this user or as the one that it `becomes`. It leaves
    /// nothing behind; where it is killed, what it leaves is nobody's file.
    pub fn judge(path: &Path, becomes: Option<u32>) -> Result<(), FolderError> {
        let system = |error| FolderError::System(path.to_owned(), error);
        let mut there = path;
        while !there.as_os_str().is_empty() && !there.try_exists().map_err(system)? {
            there = there.parent().unwrap_or_else(|| Path::new(""));
        }
        if there == path {
            Self::suitable(path, becomes)?;
        }
        // Only trying tells: root may write where no rights say so, and nowhere on a disk that is for reading only.
        let trial = there.join(format!("{TRIAL}{}", std::process::id()));
        match fs::create_dir(&trial) {
            // One that was killed in between had the same number, as the first process of a container always has.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(system(error)),
            _ => fs::remove_dir(&trial).map_err(system),
        }
    }

    /// A folder that is there and may hold a store.
    fn suitable(path: &Path, becomes: Option<u32>) -> Result<Self, FolderError> {
        let system = |error| FolderError::System(path.to_owned(), error);
        let folder = Self::look(path)?;
        let (owner, user) = (fs::metadata(path).map_err(system)?.uid(), rustix::process::geteuid().as_raw());
        if owner != user && Some(owner) != becomes {
            return Err(FolderError::Owner { path: path.to_owned(), owner, user });
        }
        let names = folder.list().map_err(system)?;
        let is_ours = |name: &String| name == crate::meta::NAME || name == LOCK;
        if !names.is_empty() && !names.iter().any(is_ours) {
            return Err(FolderError::Other(path.to_owned()));
        }
        Ok(folder)
    }

    /// Looks at a folder, without a lock; for reading only.
    pub fn look(path: &Path) -> Result<Self, FolderError> {
        fs::read_dir(path).map_err(|error| FolderError::System(path.to_owned(), error))?;
        Ok(Self { path: path.to_owned(), folder: None, file: None, _lock: None })
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => File::open(&self.path)?,
        };
        self.folder.insert(folder).sync_all()
    }

    /// Closes all files but the lock, which must not be copied into other tables of descriptors.
    pub fn close_files(&mut self) {
        (self.folder, self.file) = (None, None);
    }

    fn written(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::Error::other("no file is being written"))
    }
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string()));
        let names = names.collect::<io::Result<Vec<_>>>()?;
        // Some file systems have a folder of their own in each, and whoever tries a folder one for a moment.
        let is_file = |name: &String| name != "lost+found" && !name.starts_with(TRIAL);
        Ok(names.into_iter().flatten().filter(is_file).collect())
    }

    fn read(&self, name: &str, len_max: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.path.join(name))?;
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(len.min(len_max));
        file.take(len_max as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn sync_file(&mut self, name: &str) -> io::Result<()> {
        File::open(self.path.join(name))?.sync_data()
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        self.file = Some(OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)?);
        self.sync_names()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written()?.write_all(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.written()?.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.written()?.sync_data()
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.join(format!("{name}.new"));
        let written = (|| {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, self.path.join(name))
        })();
        if let Err(error) = written {
            // It may not exist; what matters is the error before.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        self.sync_names()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }
}

/// The file that is locked.
pub(crate) const LOCK: &str = "lock";
/// How a folder is called that is made to try whether one can be; behind it stands by which process.
const TRIAL: &str = ".multiplexor-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_was_killed_is_in_nobodys_way() {
        let path = std::env::temp_dir().join(format!("multiplexor-trial-{}", std::process::id()));
        for number in [1, std::process::id()] {
            fs::create_dir_all(path.join(format!("{TRIAL}{number}"))).unwrap();
        }
        Folder::judge(&path, None).unwrap();
        let folder = Folder::take(&path).unwrap();
        assert_eq!(folder.list().unwrap(), [LOCK]);
        fs::write(path.join("other"), "").unwrap();
        fs::remove_file(path.join(LOCK)).unwrap();
        assert!(matches!(Folder::judge(&path, None), Err(FolderError::Other(_))));
        fs::remove_dir_all(&path).unwrap();
    }
}
