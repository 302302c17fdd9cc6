//! A disk in memory that fails as disks do: it fills, errs, tears, lies, and loses what was not synced. Crashes
//! come at any step, in the middle of a write too.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use store::Disk;

use crate::seeds::Chance;

/// A disk that outlives those who use it: clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<DiskState>>);

/// How a disk fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Bytes that fit; `None`: any number.
    pub room: Option<usize>,
    /// One step in so many fails; 0: none does.
    pub error_once_in: u64,
    /// One sync in so many is a lie; 0: none is.
    pub lie_once_in: u64,
    /// After so many steps the program is gone.
    pub crash_after: Option<u64>,
}

struct DiskState {
    files: BTreeMap<String, SimFile>,
    written: Option<String>,
    faults: Faults,
    chance: Chance,
    /// Steps since the start.
    steps: u64,
    syncs: u64,
}

#[derive(Default, Clone)]
struct SimFile {
    /// As programs see it.
    bytes: Vec<u8>,
    /// As it is after a power loss, at the least.
    durable: Vec<u8>,
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(DiskState {
            files: BTreeMap::new(),
            written: None,
            faults: Faults::default(),
            chance: Chance::new(seed ^ 0xd15c),
            steps: 0,
            syncs: 0,
        })))
    }

    /// From now on it fails like this.
    pub fn set(&self, faults: Faults) {
        let mut state = self.lock();
        state.faults = Faults { crash_after: faults.crash_after.map(|after| after + state.steps), ..faults };
    }

    /// Whether the program that writes is gone.
    pub fn is_gone(&self) -> bool {
        let state = self.lock();
        state.faults.crash_after.is_some_and(|after| state.steps > after)
    }

    /// Steps since the start.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Syncs of the file being written since the start, lies included.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// The power fails: what was not synced is there in part, or in bytes that nobody wrote.
    pub fn lose_power(&self) {
        let state = &mut *self.lock();
        for file in state.files.values_mut() {
            let is_longer = file.bytes.starts_with(&file.durable);
            if !is_longer {
                if state.chance.once_in(2) {
                    file.bytes.clone_from(&file.durable);
                }
            } else {
                let rest = file.bytes.len() - file.durable.len();
                let kept = file.durable.len() + state.chance.index(rest + 1);
                let torn = file.bytes.len().min(kept + state.chance.index(64));
                match state.chance.below(3) {
                    0 => file.bytes.truncate(kept),
                    1 => file.bytes[kept..torn].fill(0),
                    _ => file.bytes[kept..torn].iter_mut().for_each(|byte| *byte ^= 0x55),
                }
                if state.chance.once_in(2) {
                    file.bytes.truncate(torn);
                }
            }
            file.durable.clone_from(&file.bytes);
        }
    }

    /// The names of files.
    pub fn names(&self) -> Vec<String> {
        self.lock().files.keys().cloned().collect()
    }

    /// Changes a file behind everybody's back.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let file = state.files.get_mut(name).expect("there is such a file");
        change(&mut file.bytes);
        file.durable = file.bytes.clone();
    }

    /// Removes a file behind everybody's back.
    pub fn steal(&self, name: &str) {
        self.lock().files.remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl DiskState {
    /// A step begins. An error says that it does not happen; for the last step before a crash it may.
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        if self.faults.crash_after.is_some_and(|after| self.steps > after) {
            return Err(io::Error::other("the program is gone"));
        }
        if self.chance.once_in(self.faults.error_once_in) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(())
    }

    fn used(&self) -> usize {
        self.files.values().map(|file| file.bytes.len()).sum()
    }

    fn current(&mut self) -> io::Result<&mut SimFile> {
        let name = self.written.as_ref().ok_or_else(|| io::Error::other("no file is being written"))?;
        self.files.get_mut(name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn read(&self, name: &str, len_max: usize) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let file = state.files.get(name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(file.bytes[..file.bytes.len().min(len_max)].to_vec())
    }

    fn sync_file(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        let file = state.files.get_mut(name).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        file.durable.clone_from(&file.bytes);
        Ok(())
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        if state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.insert(name.to_owned(), SimFile::default());
        state.written = Some(name.to_owned());
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let step = state.step();
        let room = state.faults.room.map_or(usize::MAX, |room| room.saturating_sub(state.used()));
        let part = match &step {
            Ok(()) => bytes.len().min(room),
            // What failed was done in part.
            Err(_) if state.faults.crash_after.is_none_or(|after| state.steps == after + 1) => {
                state.chance.index(bytes.len() + 1).min(room)
            }
            Err(_) => 0,
        };
        state.current()?.bytes.extend_from_slice(&bytes[..part]);
        step?;
        if part < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        state.current()?.bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        state.syncs += 1;
        let lie_once_in = state.faults.lie_once_in;
        if !state.chance.once_in(lie_once_in) {
            let file = state.current()?;
            file.durable.clone_from(&file.bytes);
        }
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        if state.faults.room.is_some_and(|room| state.used() + bytes.len() > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files.insert(name.to_owned(), SimFile { bytes: bytes.to_vec(), durable: bytes.to_vec() });
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        // A disk that writes nothing any more still removes names; only a crash comes in between.
        let errors = std::mem::take(&mut state.faults.error_once_in);
        let step = state.step();
        state.faults.error_once_in = errors;
        step?;
        state.files.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// What a broken disk says on Linux.
const EIO: i32 = 5;
