//! What waits for a listener, in order and bounded.
//!
//! The rule: putting something in never waits. When it is full the oldest goes, since what came later says more
//! about how things stand.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A queue with many writers and one reader.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Notify,
    capacity: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    /// An empty one that holds at most `capacity`, and at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                closed: false,
            }),
            changed: Notify::new(),
            capacity: capacity.max(1),
        }
    }

    /// Put `item` at the end. Returns what has no place: the oldest of a full queue, or `item` if it is closed.
    pub fn put(&self, item: T) -> Option<T> {
        let mut state = self.state();
        if state.closed {
            return Some(item);
        }
        let full = state.waiting.len() >= self.capacity;
        let lost = full.then(|| state.waiting.pop_front()).flatten();
        state.waiting.push_back(item);
        drop(state);
        self.changed.notify_one();
        lost
    }

    /// The first in the queue, once there is one; `None` when it is closed and empty.
    pub async fn take(&self) -> Option<T> {
        loop {
            {
                let mut state = self.state();
                if let Some(first) = state.waiting.pop_front() {
                    return Some(first);
                }
                if state.closed {
                    return None;
                }
            }
            // A change since the look above has left a permit, so it is not missed.
            self.changed.notified().await;
        }
    }

    /// Take nothing more in.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_loses_its_oldest_and_keeps_the_order() {
        let queue = Queue::new(2);
        assert_eq!(queue.put(1), None);
        assert_eq!(queue.put(2), None);
        assert_eq!(queue.put(3), Some(1));
        assert_eq!(queue.len(), 2);
        queue.close();
        assert_eq!(queue.put(4), Some(4), "it is closed");
        assert_eq!(queue.take().await, Some(2));
        assert_eq!(queue.take().await, Some(3));
        assert_eq!(queue.take().await, None);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let queue = std::sync::Arc::new(Queue::new(2));
        let reader = tokio::spawn({
            let queue = std::sync::Arc::clone(&queue);
            async move { (queue.take().await, queue.take().await) }
        });
        tokio::task::yield_now().await;
        queue.put(1);
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(reader.await.unwrap(), (Some(1), None));
    }
}
