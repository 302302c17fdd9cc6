//! What shards ask of the async side, which alone can ask others: a bounded queue and a bell.
//!
//! The bell is a descriptor that was there before the shards, so that its number means the same in all tables.

use std::any::Any;
use std::sync::Arc;

use crate::Wake;
use crate::limits::INQUIRIES_MAX;
use crate::sync::{Mutex, MutexGuard};

/// A question, of a type that those who ask and those who answer know.
pub type Inquiry = Box<dyn Any + Send>;

/// The questions that nobody has taken yet.
pub(crate) struct Inquiries {
    queue: Mutex<Vec<Inquiry>>,
    /// Rung when the first question comes.
    bell: Arc<dyn Wake>,
}

impl Inquiries {
    pub(crate) fn new(bell: Arc<dyn Wake>) -> Self {
        Self { queue: Mutex::new(Vec::new()), bell }
    }

    /// Puts a question. False: there are too many.
    pub(crate) fn put(&self, inquiry: Inquiry) -> bool {
        let mut queue = self.queue();
        if queue.len() >= INQUIRIES_MAX {
            return false;
        }
        queue.push(inquiry);
        let is_first = queue.len() == 1;
        drop(queue);
        if is_first {
            self.bell.wake();
        }
        true
    }

    /// Takes all there are.
    pub(crate) fn take(&self) -> Vec<Inquiry> {
        std::mem::take(&mut *self.queue())
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Inquiry>> {
        self.queue.lock().expect("nothing panics while it holds the queue")
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_bell_rings_once_for_all_that_are_taken_together() {
        let bell = Arc::new(Bell::default());
        let inquiries = Inquiries::new(Arc::clone(&bell) as Arc<dyn Wake>);
        for n in 0..INQUIRIES_MAX {
            assert!(inquiries.put(Box::new(n)));
        }
        assert!(!inquiries.put(Box::new("one too many")));
        assert_eq!((inquiries.take().len(), bell.0.load(Ordering::Relaxed)), (INQUIRIES_MAX, 1));
        assert!(inquiries.put(Box::new(0)) && inquiries.take().len() == 1 && inquiries.take().is_empty());
        assert_eq!(bell.0.load(Ordering::Relaxed), 2);
    }
}
