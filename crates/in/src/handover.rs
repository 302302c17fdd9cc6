//! The line's part when another program goes on in the place of this one: it stands still, and tells what it remembers; or it
//! goes on, where nothing came of that.

use std::sync::Arc;

use access::KeyHash;
use dialect::hub::{HASH_LEN, WallTime};
use exchange::{Published, Receipt};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::idempotency::{FirstPublish, Idempotency};
use crate::sign_ins::{SignIn, SignIns};

/// That another program may go on in the place of this one.
#[derive(Default)]
pub struct Handover {
    /// What the program remembered in whose place this one goes on.
    pub before: Memories,
    /// Through which the line is asked to stand still.
    pub pauses: Option<mpsc::Receiver<Pause>>,
}

/// The line is to stand still: it accepts nobody, answers what is under way, and ends its connections.
pub struct Pause {
    /// It does, and remembers this.
    pub still: oneshot::Sender<Memories>,
    /// It is to go on.
    pub go_on: oneshot::Receiver<()>,
}

/// What the line remembers of the past: as secret as keys are.
#[derive(Default, Serialize, Deserialize)]
pub struct Memories {
    keys: Vec<KeptKey>,
    sign_ins: Vec<KeptSignIn>,
}

/// An idempotency key, and what came of the message under it.
#[derive(Serialize, Deserialize)]
struct KeptKey {
    id: String,
    weight: usize,
    since: u64,
    hash: Option<[u8; HASH_LEN]>,
    published: Published,
}

#[derive(Serialize, Deserialize)]
struct KeptSignIn {
    kept: String,
    since: u64,
    key: [u8; 32],
    ends: WallTime,
}

impl Memories {
    /// What these remember.
    pub(crate) fn of(idempotency: &Idempotency, sign_ins: &SignIns) -> Self {
        let keys = idempotency.all().into_iter().filter_map(|(id, weight, since, first)| {
            let first = first.try_lock().ok()?;
            let FirstPublish { hash, receipt } = first.as_ref()?;
            let (hash, published) = (*hash, receipt.published()?);
            Some(KeptKey { id: id.to_string(), weight, since, hash, published })
        });
        let sign_ins = sign_ins.all().into_iter().filter(|(.., sign_in)| !sign_in.has_ended()).map(
            |(kept, _, since, sign_in)| KeptSignIn {
                kept: kept.to_string(),
                since,
                key: sign_in.key.to_bytes(),
                ends: sign_in.ends,
            },
        );
        Self { keys: keys.collect(), sign_ins: sign_ins.collect() }
    }

    /// These remember it from now on.
    pub(crate) fn give(self, idempotency: &Idempotency, sign_ins: &SignIns) {
        for KeptKey { id, weight, since, hash, published } in self.keys {
            let first = FirstPublish { hash, receipt: Receipt::Released(published) };
            idempotency.keep(&id, weight, since, Arc::new(Mutex::new(Some(first))));
        }
        for KeptSignIn { kept, since, key, ends } in self.sign_ins {
            let sign_in = SignIn::new(KeyHash::from_bytes(key), ends);
            sign_ins.keep(&kept, since, Arc::new(sign_in));
        }
    }
}
