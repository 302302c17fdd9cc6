//! Bytes with open files, from one process or table to another, through a UNIX socket.
//!
//! A file is known by number in one table only; what goes over is the file itself, and whoever takes it in has it under a
//! number of its own. All calls wait, no longer than was set.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Files that go with one parcel at the most: as many as the kernel takes in a call (unix(7), SCM_MAX_FD).
pub const PARCEL_FILES_MAX: usize = 253;
/// Bytes of a parcel at the most.
pub const PARCEL_LEN_MAX: usize = 1 << 30;

/// One end, from which parcels are sent and taken.
#[derive(Debug)]
pub struct Parcels {
    stream: UnixStream,
    patience: Duration,
}

impl Parcels {
    /// Both ends of a new line.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self::new(one), Self::new(other)))
    }

    /// An end that is open already. It waits for ever.
    pub fn new(stream: impl Into<OwnedFd>) -> Self {
        Self { stream: UnixStream::from(stream.into()), patience: Duration::MAX }
    }

    /// From now on a call that waits for so long without getting any further fails; longer than nothing.
    pub fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.set_write_timeout(Some(patience))?;
        self.patience = patience;
        Ok(())
    }

    /// Sends these bytes, and the files with them, which stay open here, too.
    pub fn send(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        if files.len() > PARCEL_FILES_MAX || bytes.len() > PARCEL_LEN_MAX {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut head = [0; HEAD_LEN];
        head[..4].copy_from_slice(&u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes());
        head[4..].copy_from_slice(&u32::try_from(files.len()).unwrap_or_default().to_le_bytes());
        let sent = self.send_head(&head, files)?;
        (&self.stream).write_all(&head[sent..])?;
        (&self.stream).write_all(bytes)
    }

    fn send_head(&self, head: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let began = Instant::now();
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PARCEL_FILES_MAX))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !files.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(files));
            }
            match sendmsg(&self.stream, &[IoSlice::new(head)], &mut control, SendFlags::NOSIGNAL) {
                // Whoever is no administrator may have no more on their way than open (unix(7)): until some are taken in.
                Err(Errno::TOOMANYREFS) if began.elapsed() < self.patience => sleep(PAUSE),
                sent => return Ok(sent?),
            }
        }
    }

    /// Takes the next parcel.
    pub fn take(&self) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        let (mut head, mut files) = ([0; HEAD_LEN], Vec::new());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PARCEL_FILES_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let slice = &mut [IoSliceMut::new(&mut head)];
        let came = recvmsg(&self.stream, slice, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(sent) = message {
                files.extend(sent);
            }
        }
        if came.bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        (&self.stream).read_exact(&mut head[came.bytes..])?;
        let [len, count] = [0, 4].map(|at| {
            let bytes = head[at..at + 4].try_into().expect("it is four bytes");
            usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        });
        if came.flags.contains(ReturnFlags::CTRUNC) || count != files.len() {
            return Err(io::Error::other(
                "open files got lost on the way: there may be no more in this process",
            ));
        }
        if len > PARCEL_LEN_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::new();
        (&self.stream).take(len as u64).read_to_end(&mut bytes)?;
        if bytes.len() < len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok((bytes, files))
    }
}

impl AsFd for Parcels {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl From<Parcels> for OwnedFd {
    fn from(parcels: Parcels) -> Self {
        parcels.stream.into()
    }
}

/// Bytes before those of a parcel: how many there are, and how many files.
const HEAD_LEN: usize = 8;
/// How long is waited until others have taken files in.
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Seek, pipe};

    #[test]
    fn files_and_bytes_arrive_together_and_in_order() {
        let (one, other) = Parcels::pair().unwrap();
        let sender = std::thread::spawn(move || {
            for number in 0..5_u8 {
                let (reader, mut writer) = pipe().unwrap();
                writer.write_all(&[number; 3]).unwrap();
                let files = vec![reader.as_fd(); usize::from(number)];
                one.send(&vec![number; 100_000 * usize::from(number)], &files).unwrap();
            }
        });
        for number in 0..5_u8 {
            let (bytes, files) = other.take().unwrap();
            assert_eq!(bytes, vec![number; 100_000 * usize::from(number)]);
            assert_eq!(files.len(), usize::from(number));
            for file in files.into_iter().take(3) {
                let mut byte = [0];
                File::from(file).read_exact(&mut byte).unwrap();
                assert_eq!(byte, [number]);
            }
        }
        sender.join().unwrap();
        assert_eq!(other.take().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn as_many_go_as_the_kernel_takes_and_not_one_more() {
        let (one, other) = Parcels::pair().unwrap();
        let mut file = File::open("/dev/null").unwrap();
        file.rewind().unwrap();
        let files = vec![file.as_fd(); PARCEL_FILES_MAX + 1];
        assert_eq!(one.send(b"", &files).unwrap_err().kind(), ErrorKind::InvalidInput);
        one.send(b"all", &files[1..]).unwrap();
        let (bytes, taken) = other.take().unwrap();
        assert_eq!((&bytes[..], taken.len()), (&b"all"[..], PARCEL_FILES_MAX));
    }

    #[test]
    fn nobody_is_waited_for_longer_than_was_set() {
        let (mut one, other) = Parcels::pair().unwrap();
        one.set_patience(Duration::from_millis(10)).unwrap();
        assert_eq!(one.take().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(one.send(&vec![0; 10 << 20], &[]).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(other);
        assert_eq!(one.send(b"a", &[]).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
