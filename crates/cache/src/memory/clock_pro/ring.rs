//! A queue of hashes, first in first out, from whose middle may be taken. A place is known by its number, so giving one up
//! costs nothing but the hole that it leaves until those before it are gone.

use crate::entry::Place;
use std::collections::VecDeque;

/// A place that was given up.
const HOLE: u32 = 0;
/// So few holes are not worth a walk.
const HOLES_SPARED: usize = 64;

/// The upper halves of hashes, none of which is zero.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The number of the first place.
    first: u32,
    places: VecDeque<u32>,
    held: usize,
}

impl Ring {
    /// An empty one that goes on with the numbers where this one ends, so that no number means two places.
    pub(super) fn successor(&self) -> Self {
        Self {
            first: self.end(),
            places: VecDeque::with_capacity(self.held),
            held: 0,
        }
    }

    /// The number of the next place.
    fn end(&self) -> u32 {
        let length = u32::try_from(self.places.len()).unwrap_or(0);
        self.first.wrapping_add(length) % Place::NUMBERS
    }

    fn index(&self, number: u32) -> usize {
        let index = number.wrapping_sub(self.first) % Place::NUMBERS;
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    /// Takes the last place; its number.
    pub(super) fn push(&mut self, top: u32) -> u32 {
        let number = self.end();
        self.places.push_back(top);
        self.held += 1;
        number
    }

    /// What is at `number`.
    pub(super) fn get(&self, number: u32) -> Option<u32> {
        self.places.get(self.index(number)).copied().filter(|top| *top != HOLE)
    }

    /// Gives the place `number` up.
    pub(super) fn vacate(&mut self, number: u32) {
        let index = self.index(number);
        if let Some(place) = self.places.get_mut(index).filter(|top| **top != HOLE) {
            *place = HOLE;
            self.held -= 1;
        }
    }

    /// Takes the first out, with the number that it had.
    pub(super) fn pop(&mut self) -> Option<(u32, u32)> {
        loop {
            let (number, top) = (self.first, self.places.pop_front()?);
            self.first = (number + 1) % Place::NUMBERS;
            if top != HOLE {
                self.held -= 1;
                return Some((number, top));
            }
        }
    }

    /// Gives back memory that it has no use for now.
    pub(super) fn shrink(&mut self) {
        self.places.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// Whether more than half of it are holes.
    pub(super) fn is_sparse(&self) -> bool {
        self.places.len() > 2 * self.held + HOLES_SPARED
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_a_queue_with_holes_whatever_its_numbers() {
        for first in [0, Place::NUMBERS - 2] {
            let mut ring = Ring {
                first,
                ..Ring::default()
            };
            let numbers = [7, 8, 9, 10].map(|top| ring.push(top));
            assert_eq!(numbers.map(|number| ring.get(number)), [7, 8, 9, 10].map(Some));
            ring.vacate(numbers[1]);
            ring.vacate(numbers[1]);
            assert_eq!((ring.held, ring.get(numbers[1])), (3, None));
            assert_eq!(ring.pop(), Some((numbers[0], 7)));
            assert_eq!(ring.pop(), Some((numbers[2], 9)), "a hole is passed over");
            assert_eq!(ring.get(numbers[0]), None, "what was taken out has no place");
            let mut next = ring.successor();
            assert!(!numbers.contains(&next.push(11)), "no number comes twice");
        }
    }

    #[test]
    fn a_ring_of_holes_is_sparse() {
        let mut ring = Ring::default();
        let numbers: Vec<u32> = (1..=200).map(|top| ring.push(top)).collect();
        assert!(!ring.is_sparse());
        numbers[1..150].iter().for_each(|number| ring.vacate(*number));
        assert!(ring.is_sparse());
    }
}
