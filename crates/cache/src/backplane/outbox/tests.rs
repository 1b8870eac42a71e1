//! What waits, what is on the way, and what is kept in the journal for it.

use super::super::protocol::Node;
use super::super::receipts::{Settled, Ticket};
use super::super::wire::{Mark, Shared, Target};
use super::Outbox;
use std::sync::Arc;

fn shared(tag: u128) -> Shared {
    Shared {
        namespace: 9,
        shard: Some(0),
        mark: Mark {
            soft: false,
            target: Target::Tag(tag),
        },
    }
}

struct Bench {
    node: Node,
    outbox: Outbox,
}

impl Bench {
    fn with_room(marks: usize) -> Self {
        Self {
            node: Node::default(),
            outbox: Outbox::new(marks),
        }
    }

    fn put(&mut self, tag: u128) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket::default());
        let node = &mut self.node;
        self.outbox.put(&shared(tag), &ticket, |mark| node.pend(vec![mark]));
        ticket
    }

    fn send(&mut self) -> Vec<super::Parcel> {
        self.outbox.send(self.node.unsent().into_iter().map(|(id, _)| id))
    }
}

#[test]
fn a_target_waits_once_and_what_is_on_the_way_is_not_touched() {
    let mut bench = Bench::with_room(10);
    bench.put(1);
    bench.put(1);
    bench.put(2);
    let first = bench.send();
    assert_eq!(first.len(), 2);
    assert_eq!(bench.outbox.unwritten(&first).len(), 2);
    let marks = [first[0].mark.clone(), first[1].mark.clone()];
    assert_eq!(bench.outbox.written(&marks), []);
    assert_eq!(bench.outbox.written(&marks[..1]), [marks[0].clone()], "it stood there");
    // Invalidated again meanwhile: the message on the way does not tell of it.
    bench.put(1);
    let second = bench.send();
    assert_eq!(second.len(), 1);
    assert!(bench.outbox.unwritten(&second).is_empty(), "it stands in the journal");
    let (over, tickets) = bench.outbox.confirm(first[0].id);
    assert_eq!((over, tickets.len()), (None, 2), "the second one needs it there");
    assert_eq!(bench.outbox.confirm(second[0].id).0, Some(second[0].mark.clone()));
    assert_eq!(bench.outbox.confirm(first[1].id).0, Some(first[1].mark.clone()));
    assert_eq!(bench.outbox.len(), 0);
}

#[test]
fn what_was_put_off_waits_with_those_who_come_later() {
    let mut bench = Bench::with_room(10);
    bench.put(1);
    let sent = bench.send();
    bench.node.invalidate_failed(sent[0].id);
    bench.outbox.put_off(sent[0].id);
    bench.put(1);
    assert_eq!((bench.outbox.len(), bench.send().len()), (1, 1));
}

#[test]
fn who_looks_at_what_is_new_sees_nothing_twice() {
    let mut bench = Bench::with_room(10);
    let new = |bench: &mut Bench| -> Vec<Target> {
        let new = bench.outbox.take_new().into_iter();
        new.map(|parcel| parcel.mark.target).collect()
    };
    (1..=3).for_each(|tag| drop(bench.put(tag)));
    assert_eq!(new(&mut bench), [1, 2, 3].map(Target::Tag));
    assert_eq!(new(&mut bench), []);
    bench.put(2);
    assert_eq!(new(&mut bench), [Target::Tag(2)], "somebody else waits for it");
    bench.put(3);
    bench.put(4);
    assert_eq!(bench.send().len(), 4, "all of it still waits");
    assert_eq!(new(&mut bench), [], "what is sent is seen to");
    bench.put(5);
    let sent = bench.send();
    bench.outbox.put_off(sent[0].id);
    assert_eq!(new(&mut bench), [Target::Tag(5)], "it still has to be written down");
}

#[test]
fn past_the_limit_a_target_becomes_its_namespace() {
    let mut bench = Bench::with_room(3);
    for tag in 0..1000 {
        bench.put(tag);
    }
    assert_eq!((bench.outbox.len(), bench.outbox.overflows()), (4, 997));
    let marks: Vec<Target> = bench.send().into_iter().map(|parcel| parcel.mark.target).collect();
    assert!(marks.contains(&Target::Namespace(9)), "{marks:?}");
}

#[tokio::test]
async fn a_ticket_is_settled_when_all_of_it_is() {
    let ticket = Ticket::default();
    ticket.expect_one();
    ticket.expect_one();
    ticket.put_off(true);
    ticket.accept(super::super::receipts::Accepted {
        shard: 0,
        generation: super::super::Gen::of("g"),
        seq: 1,
    });
    assert_eq!(ticket.settled().await, Settled::PutOff { journaled: true });
}
