//! Who waits drives the load; what is left of it goes on without.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

/// Counts what it is to run, and runs nothing.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Runtime for Counting {
    fn spawn(&self, _: Task) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send + 'static>) {}

    fn sleep(&self, _: Duration) -> Task {
        Box::pin(std::future::pending())
    }
}

/// A load that `make` makes, and how many tasks were started for it.
fn driven(make: impl FnOnce(oneshot::Sender<Loaded>) -> Task) -> (Driven, impl Fn() -> usize) {
    let counting = Arc::new(Counting::default());
    let runtime: Arc<dyn Runtime> = Arc::clone(&counting) as _;
    let (give, take) = oneshot::channel();
    (Driven::new(make(give), take, &runtime), move || {
        counting.0.load(Ordering::Relaxed)
    })
}

fn poll(driven: &mut Driven) -> Poll<Loaded> {
    Pin::new(driven).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_load_that_gives_and_ends_needs_no_task() {
    let (mut driven, started) = driven(|give| Box::pin(async { drop(give.send(Loaded::Again)) }));
    assert!(matches!(poll(&mut driven), Poll::Ready(Loaded::Again)));
    drop(driven);
    assert_eq!(started(), 0);
}

#[test]
fn a_load_goes_on_by_itself_once_it_gave() {
    let (mut driven, started) = driven(|give| {
        Box::pin(async {
            let _ = give.send(Loaded::Again);
            std::future::pending().await
        })
    });
    assert!(matches!(poll(&mut driven), Poll::Ready(Loaded::Again)));
    assert_eq!(started(), 1);
    drop(driven);
    assert_eq!(started(), 1);
}

#[test]
fn a_load_goes_on_when_nobody_waits_any_more() {
    let (mut waited, started) = driven(|give| {
        Box::pin(async {
            std::future::pending::<()>().await;
            drop(give);
        })
    });
    assert!(poll(&mut waited).is_pending());
    assert_eq!(started(), 0);
    drop(waited);
    assert_eq!(started(), 1);
}

#[test]
fn a_load_that_panics_fails_and_takes_nobody_along() {
    let (mut driven, started) = driven(|give| {
        Box::pin(async {
            let _give = give;
            panic!("a fault on purpose");
        })
    });
    let failed = poll(&mut driven);
    let abandoned = Failure::Load(LoadFailure::Abandoned);
    assert!(matches!(failed, Poll::Ready(Loaded::Failed(failure, None)) if failure.as_str() == abandoned.as_str()));
    assert_eq!(started(), 0);
}

#[tokio::test]
async fn a_body_that_comes_as_fast_as_it_is_taken_does_not_keep_the_answer_back() {
    let (mut waited, started) = driven(|give| {
        Box::pin(async {
            let _ = give.send(Loaded::Again);
            loop {
                tokio::task::consume_budget().await;
            }
        })
    });
    let first = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut waited).poll(context))).await;
    assert!(matches!(first, Poll::Ready(Loaded::Again)));
    assert_eq!(started(), 1);
}
