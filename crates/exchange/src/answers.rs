//! Waking publishers whose messages were committed: once for all of a commit, where a line has a doorbell for that.
//!
//! To wake a task of another thread costs a system call each; to wake one task, which then wakes all others in its own
//! thread, costs one.

use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, MutexGuard};

/// Publishers who are answered, and the task that wakes them.
#[derive(Default)]
pub(crate) struct Answers {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// To be woken by the task behind the doorbell.
    answered: Vec<Waker>,
    bell: Option<Waker>,
    /// Somebody once waited at the doorbell, and comes back to it.
    attended: bool,
}

impl Answers {
    /// Wakes these: by the doorbell if somebody attends to it, else one by one.
    pub(crate) fn wake(&self, mut publishers: Vec<Waker>) {
        if publishers.is_empty() {
            return;
        }
        let mut inner = self.lock();
        if !inner.attended {
            drop(inner);
            return publishers.into_iter().for_each(Waker::wake);
        }
        inner.answered.append(&mut publishers);
        let bell = inner.bell.take();
        drop(inner);
        bell.into_iter().for_each(Waker::wake);
    }

    /// Those who are to be woken, as soon as there are any.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Vec<Waker>> {
        let mut inner = self.lock();
        inner.attended = true;
        if inner.answered.is_empty() {
            inner.bell = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut inner.answered))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the answers")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_commit_rings_once_for_all_who_are_answered() {
        let (answers, bell, publisher) =
            (Answers::default(), Arc::<Count>::default(), Arc::<Count>::default());
        let count = |count: &Arc<Count>| count.0.load(Ordering::Relaxed);
        let publishers = |n| (0..n).map(|_| Waker::from(Arc::clone(&publisher))).collect::<Vec<_>>();
        answers.wake(publishers(2));
        assert_eq!(count(&publisher), 2, "nobody attends to the doorbell");
        let waker = Waker::from(Arc::clone(&bell));
        let mut context = Context::from_waker(&waker);
        assert!(answers.poll(&mut context).is_pending());
        answers.wake(publishers(64));
        answers.wake(publishers(1));
        assert_eq!((count(&publisher), count(&bell)), (2, 1));
        let Poll::Ready(answered) = answers.poll(&mut context) else { panic!("some are answered") };
        assert_eq!(answered.len(), 65);
        assert!(answers.poll(&mut context).is_pending());
        answers.wake(publishers(1));
        assert_eq!(count(&bell), 2);
    }
}
