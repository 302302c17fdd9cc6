//! What shards ask of the async side, which alone can ask others: a bounded queue and a notifier.
//!
//! The notifier is a descriptor that was there before the shards, so that its number means the same in all tables.

use std::sync::Arc;

use crate::Wake;
use crate::limits::QUESTIONS_MAX;
use crate::sync::{Mutex, MutexGuard};

/// The questions that nobody has taken yet, of a type that those who ask and those who answer know.
pub struct Questions<Q> {
    queue: Mutex<Vec<Q>>,
    /// Written to when the first question comes.
    notifier: Arc<dyn Wake>,
}

impl<Q> Questions<Q> {
    /// None yet. The notifier must be there before all shards.
    pub fn new(notifier: Arc<dyn Wake>) -> Self {
        Self { queue: Mutex::new(Vec::new()), notifier }
    }

    /// Puts a question. False: there are too many.
    pub fn put(&self, question: Q) -> bool {
        let mut queue = self.queue();
        if queue.len() >= QUESTIONS_MAX {
            return false;
        }
        queue.push(question);
        let is_first = queue.len() == 1;
        drop(queue);
        if is_first {
            self.notifier.wake();
        }
        true
    }

    /// Takes all there are.
    pub fn take(&self) -> Vec<Q> {
        std::mem::take(&mut *self.queue())
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Q>> {
        self.queue.lock().expect("nothing panics while it holds the queue")
    }
}

impl<Q> std::fmt::Debug for Questions<Q> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Questions({})", self.queue().len())
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_notice_is_given_for_all_that_are_taken_together() {
        let count = Arc::new(Count::default());
        let questions = Questions::new(Arc::clone(&count) as Arc<dyn Wake>);
        for n in 0..QUESTIONS_MAX {
            assert!(questions.put(n));
        }
        assert!(!questions.put(0), "one too many");
        assert_eq!((questions.take().len(), count.0.load(Ordering::Relaxed)), (QUESTIONS_MAX, 1));
        assert!(questions.put(0) && questions.take().len() == 1 && questions.take().is_empty());
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
