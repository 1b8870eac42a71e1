//! A queue of hashes, first in first out, from whose middle may be taken. A place is known by its number.

use crate::entry::Place;
use std::collections::VecDeque;

/// The upper halves of hashes, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The number of the first place.
    first: u32,
    places: VecDeque<u32>,
}

impl Ring {
    fn index(&self, number: u32) -> usize {
        let index = number.wrapping_sub(self.first) % Place::NUMBERS;
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    /// The number of the place `index` behind the first.
    fn number(&self, index: usize) -> u32 {
        let index = u32::try_from(index).unwrap_or(0);
        self.first.wrapping_add(index) % Place::NUMBERS
    }

    /// Takes the last place; its number.
    pub(super) fn push(&mut self, top: u32) -> u32 {
        let number = self.number(self.places.len());
        self.places.push_back(top);
        number
    }

    /// What is at `number`.
    pub(super) fn get(&self, number: u32) -> Option<u32> {
        self.places.get(self.index(number)).copied()
    }

    /// The first, with the number that it has, and those behind it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        let places = self.places.iter().enumerate();
        places.map(|(index, top)| (self.number(index), *top))
    }

    /// Whether the number of the first is a multiple of `step`.
    pub(super) fn starts_at_multiple_of(&self, step: usize) -> bool {
        usize::try_from(self.first).is_ok_and(|first| first.is_multiple_of(step))
    }

    /// Takes the first out, with the number that it had.
    pub(super) fn pop(&mut self) -> Option<(u32, u32)> {
        let (number, top) = (self.first, self.places.pop_front()?);
        self.first = self.number(1);
        Some((number, top))
    }

    /// Gives the place `number` to the first, which is told with the number that it had, unless it is the first itself. So
    /// there are no holes, and whose turn was next has to wait once more.
    pub(super) fn vacate(&mut self, number: u32) -> Option<(u32, u32)> {
        let (first, top) = self.pop()?;
        let index = self.index(number);
        let place = self.places.get_mut(index).filter(|_| first != number)?;
        *place = top;
        Some((first, top))
    }

    /// Gives memory back if it uses a quarter of it or less.
    pub(super) fn shrink(&mut self) {
        if self.places.capacity() / 4 >= self.places.len() {
            self.places.shrink_to(2 * self.places.len());
        }
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_a_queue_whose_first_takes_the_place_of_who_leaves() {
        for first in [0, Place::NUMBERS - 2] {
            let mut ring = Ring {
                first,
                places: VecDeque::new(),
            };
            let numbers = [7, 8, 9, 10].map(|top| ring.push(top));
            assert_eq!(numbers.map(|number| ring.get(number)), [7, 8, 9, 10].map(Some));
            assert_eq!(
                ring.iter().collect::<Vec<_>>(),
                numbers.into_iter().zip(7..).collect::<Vec<_>>()
            );
            assert_eq!(ring.vacate(numbers[2]), Some((numbers[0], 7)));
            assert_eq!((ring.get(numbers[0]), ring.get(numbers[2])), (None, Some(7)));
            assert_eq!(ring.vacate(numbers[1]), None, "it was the first itself");
            assert_eq!(ring.pop(), Some((numbers[2], 7)));
            assert_eq!(ring.pop(), Some((numbers[3], 10)));
            assert_eq!((ring.pop(), ring.vacate(numbers[3])), (None, None));
        }
    }
}
