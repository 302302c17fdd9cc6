//! What is under way for webhooks: calls, and notes in the store. What breaks down has ended as well, and is known by its task.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinSet};

use super::batch::{Bookmark, EventBatch};
use super::trouble::CallOutcome;

/// What is under way.
#[derive(Default)]
pub(super) struct Work {
    tasks: JoinSet<TaskEnd>,
    known: HashMap<Id, Task>,
}

/// Something that has ended, of a webhook of this name.
pub(super) enum Done {
    /// A call, and whether a store knows which events were in the batch.
    Called { name: Box<str>, batch: Arc<EventBatch>, outcome: CallOutcome, noted: bool },
    /// A note of what was left out, and whether a store has it.
    Noted { name: Box<str>, mark: Bookmark, noted: bool },
    /// Something that nobody knows.
    Nothing,
}

/// What a task is for.
enum Task {
    Call(Box<str>, Arc<EventBatch>),
    Note(Box<str>, Bookmark),
}

/// What a task ends with.
enum TaskEnd {
    Called(CallOutcome, bool),
    Noted(bool),
}

impl Work {
    /// Begins a call, which tells what came of it, and whether its batch was noted.
    pub(super) fn call(
        &mut self,
        name: Box<str>,
        batch: Arc<EventBatch>,
        call: impl Future<Output = (CallOutcome, bool)> + Send + 'static,
    ) {
        let task = self.tasks.spawn(async {
            let (outcome, noted) = call.await;
            TaskEnd::Called(outcome, noted)
        });
        self.known.insert(task.id(), Task::Call(name, batch));
    }

    /// Begins to note what was left out.
    pub(super) fn note(
        &mut self,
        name: Box<str>,
        mark: Bookmark,
        note: impl Future<Output = bool> + Send + 'static,
    ) {
        let task = self.tasks.spawn(async { TaskEnd::Noted(note.await) });
        self.known.insert(task.id(), Task::Note(name, mark));
    }

    /// The next that has ended; `None`: nothing is under way. A call that broke down has failed.
    pub(super) async fn next(&mut self) -> Option<Done> {
        let (id, ended) = match self.tasks.join_next_with_id().await? {
            Ok((id, ended)) => (id, Ok(ended)),
            Err(error) => (error.id(), Err(error)),
        };
        Some(match (self.known.remove(&id), ended) {
            (Some(Task::Call(name, batch)), Ok(TaskEnd::Called(outcome, noted))) => {
                Done::Called { name, batch, outcome, noted }
            }
            (Some(Task::Call(name, batch)), Err(error)) => {
                let outcome = CallOutcome::Failed(format!("{BROKE_DOWN}: {error}"), None);
                Done::Called { name, batch, outcome, noted: false }
            }
            (Some(Task::Note(name, mark)), ended) => {
                Done::Noted { name, mark, noted: matches!(ended, Ok(TaskEnd::Noted(true))) }
            }
            _ => Done::Nothing,
        })
    }
}

const BROKE_DOWN: &str = "the call broke down";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::settings::Scope;

    #[tokio::test]
    async fn a_call_that_breaks_down_has_failed_and_a_note_is_not_made() {
        let scope = Scope::read("user.joined *").expect("it is one");
        let (body, mark) = ("{}".into(), Bookmark::default());
        let batch = Arc::new(EventBatch { id: "app_1".into(), body, mark, events: 0, scope, newest: None });
        let mut work = Work::default();
        work.call("app".into(), Arc::clone(&batch), async { panic!("a fault of ours") });
        match work.next().await {
            Some(Done::Called {
                name,
                batch: called,
                outcome: CallOutcome::Failed(why, None),
                noted: false,
            }) => {
                assert!(
                    &*name == "app" && Arc::ptr_eq(&called, &batch) && why.starts_with(BROKE_DOWN),
                    "{why}"
                );
            }
            _ => panic!("the call has ended"),
        }
        work.note("app".into(), Bookmark::default(), async { panic!("a fault of ours") });
        assert!(matches!(work.next().await, Some(Done::Noted { noted: false, .. })));
        work.call("app".into(), batch, async { (CallOutcome::Taken, true) });
        assert!(matches!(
            work.next().await,
            Some(Done::Called { outcome: CallOutcome::Taken, noted: true, .. })
        ));
        assert!(work.next().await.is_none() && work.known.is_empty());
    }
}
