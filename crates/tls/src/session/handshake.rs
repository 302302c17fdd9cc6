//! The handshake: records in, flights out, and why there is none.

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{AlertDescription, Error};

use crate::Failure;
use crate::record::{DECODE_ERROR, UNEXPECTED_MESSAGE};

/// Hands records to the handshake: how many bytes it is done with, and whether it is over.
pub(super) fn shake(
    connection: &mut UnbufferedServerConnection,
    bytes: &mut [u8],
    out: &mut Vec<u8>,
) -> Result<(usize, bool), Failure> {
    let mut done = 0;
    loop {
        let UnbufferedStatus { discard, state } = connection.process_tls_records(&mut bytes[done..]);
        let goes_on = match state {
            Ok(ConnectionState::EncodeTlsData(data)) => {
                encode(data, out)?;
                true
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                true
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => false,
            // Nobody has said anything yet that could have been read, or ended.
            Ok(_) => return Err(Failure::Malformed(UNEXPECTED_MESSAGE)),
            Err(error) => {
                let failure = Failure::of(&error);
                tell_why(connection, &mut bytes[done..], out);
                return Err(failure);
            }
        };
        done += discard;
        if !goes_on {
            return Ok((done, !connection.is_handshaking()));
        }
    }
}

/// Appends the alert of a handshake that failed with these bytes: rustls counts on them, and hands an alert out
/// before it looks at any.
fn tell_why(connection: &mut UnbufferedServerConnection, bytes: &mut [u8], out: &mut Vec<u8>) {
    while connection.wants_write()
        && let Ok(ConnectionState::EncodeTlsData(data)) = connection.process_tls_records(bytes).state
        && encode(data, out).is_ok()
    {}
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) -> Result<(), Failure> {
    let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) else {
        return Err(Failure::Internal);
    };
    let start = out.len();
    out.resize(start + needed.required_size, 0);
    data.encode(&mut out[start..]).map_err(|_| Failure::Internal)?;
    Ok(())
}

impl Failure {
    /// What it is called where it is counted.
    fn of(error: &Error) -> Self {
        match error {
            Error::AlertReceived(AlertDescription::CloseNotify | AlertDescription::UserCanceled) => {
                Self::Left
            }
            Error::AlertReceived(_) => Self::Refused,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Self::Incompatible,
            Error::General(_) | Error::FailedToGetRandomBytes => Self::Internal,
            _ => Self::Malformed(DECODE_ERROR),
        }
    }
}
