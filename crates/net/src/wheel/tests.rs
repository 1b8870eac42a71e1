//! Deadlines under a clock that the test moves.

use super::*;
use peregrine_base::runtime::Task;
use peregrine_base::{ManualClock, TokioRuntime};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

/// Spawns nothing: the test turns the wheel.
struct Still;

impl Runtime for Still {
    fn spawn(&self, task: Task) {
        drop(task);
    }

    fn spawn_blocking(&self, _work: Box<dyn FnOnce() + Send + 'static>) {}

    fn sleep(&self, _span: Duration) -> Task {
        Box::pin(std::future::pending())
    }
}

#[derive(Default)]
struct Rung(AtomicUsize);

impl Wake for Rung {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn wheel() -> (Arc<ManualClock>, Arc<Wheel>) {
    let clock = Arc::new(ManualClock::default());
    let wheel = Wheel::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(Still));
    (clock, wheel)
}

/// Lets `span` pass in steps; how often `rung` was woken after each.
fn pass(clock: &ManualClock, wheel: &Wheel, rung: &Rung, span: Duration, steps: u32) -> Vec<usize> {
    let step = |_| {
        clock.advance(span / steps);
        wheel.advance();
        rung.0.swap(0, Ordering::SeqCst)
    };
    (0..steps).map(step).collect()
}

#[test]
fn rings_at_the_deadline_and_never_before() {
    for (deadline_ms, steps, rings) in [(1000, 10, 9), (1000, 1, 0), (130, 3, 2), (10, 1, 0)] {
        let (clock, wheel) = wheel();
        let rung = Arc::new(Rung::default());
        let waker = Waker::from(Arc::clone(&rung));
        let cx = Context::from_waker(&waker);
        let mut alarm = Alarm::new(Arc::clone(&wheel));
        let deadline = clock.now().after(Duration::from_millis(deadline_ms));
        assert!(alarm.poll_until(deadline, &cx).is_pending());
        let span = Duration::from_millis(deadline_ms) + TICK;
        let found = pass(&clock, &wheel, &rung, span, steps);
        let mut expected = vec![0; steps as usize];
        expected[rings] = 1;
        assert_eq!(found, expected, "{deadline_ms} ms in {steps} steps");
        assert!(alarm.poll_until(deadline, &cx).is_ready());
    }
}

#[test]
fn a_deadline_that_moves_later_rings_once_and_one_that_moves_earlier_is_kept() {
    let (clock, wheel) = wheel();
    let rung = Arc::new(Rung::default());
    let waker = Waker::from(Arc::clone(&rung));
    let cx = Context::from_waker(&waker);
    let mut alarm = Alarm::new(Arc::clone(&wheel));
    let second = Duration::from_secs(1);
    for _ in 0..50 {
        assert!(alarm.poll_until(clock.now().after(second), &cx).is_pending());
        clock.advance(second / 100);
        wheel.advance();
    }
    let deadline = clock.now().after(second);
    assert!(alarm.poll_until(deadline, &cx).is_pending());
    // Set for what was asked first; then for what holds.
    assert_eq!(pass(&clock, &wheel, &rung, second * 6 / 10, 1), [1]);
    assert!(alarm.poll_until(deadline, &cx).is_pending());
    assert_eq!(pass(&clock, &wheel, &rung, second / 2, 1), [1]);
    assert!(alarm.poll_until(deadline, &cx).is_ready());

    assert!(alarm.poll_until(clock.now().after(second), &cx).is_pending());
    let earlier = clock.now().after(second / 10);
    assert!(alarm.poll_until(earlier, &cx).is_pending());
    assert_eq!(pass(&clock, &wheel, &rung, second / 5, 1), [1]);
    assert!(alarm.poll_until(earlier, &cx).is_ready());
}

#[test]
fn further_than_the_wheel_reaches_is_reached_in_stages() {
    let (clock, wheel) = wheel();
    let rung = Arc::new(Rung::default());
    let waker = Waker::from(Arc::clone(&rung));
    let cx = Context::from_waker(&waker);
    let mut alarm = Alarm::new(Arc::clone(&wheel));
    let deadline = clock.now().after(Duration::from_secs(3600));
    let mut rings = 0;
    while alarm.poll_until(deadline, &cx).is_pending() {
        rings += pass(&clock, &wheel, &rung, Duration::from_secs(10), 1)[0];
    }
    assert!((30..40).contains(&rings), "{rings}");
}

#[test]
fn who_is_gone_leaves_nothing_and_everybody_can_be_woken() {
    let (clock, wheel) = wheel();
    let rung = Arc::new(Rung::default());
    let waker = Waker::from(Arc::clone(&rung));
    let cx = Context::from_waker(&waker);
    let deadline = clock.now().after(Duration::from_secs(1));
    let mut alarms: Vec<Alarm> = (0..100).map(|_| Alarm::new(Arc::clone(&wheel))).collect();
    for alarm in &mut alarms {
        assert!(alarm.poll_until(deadline, &cx).is_pending());
    }
    wheel.wake_all();
    assert_eq!(rung.0.swap(0, Ordering::SeqCst), 100);
    // Out of the middle, the beginning and the end of a list.
    for gone in [50, 98, 0] {
        alarms.swap_remove(gone);
    }
    assert!(wheel.advance());
    assert_eq!(pass(&clock, &wheel, &rung, Duration::from_secs(2), 1), [97]);
    drop(alarms);
    let turning = wheel.turning.lock();
    assert_eq!((turning.set, turning.nodes.len(), turning.unused.len()), (0, 100, 100));
    assert!(!turning.turned, "nobody turns a wheel on which nobody waits");
}

#[tokio::test]
async fn the_wheel_is_turned_by_a_task_while_somebody_waits() {
    let clock = Arc::new(peregrine_base::SystemClock);
    let wheel = Wheel::new(clock, Arc::new(TokioRuntime));
    for _ in 0..2 {
        let mut alarm = Alarm::new(Arc::clone(&wheel));
        let deadline = alarm.now().after(Duration::from_millis(20));
        std::future::poll_fn(|cx| alarm.poll_until(deadline, cx)).await;
    }
}
