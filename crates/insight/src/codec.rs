//! How tallies and points are written: numbers in as few bytes as they need, little-endian floats, texts with their length.
//! Reading never trusts what it reads: whatever is cut off or out of order is nothing.

use crate::reading::Outcomes;
use crate::spread::Spread;
use crate::tally::{COUNTERS, GAUGES, Mean, RouteTally, Tally, UpstreamTally};
use std::sync::Arc;

/// What a tally begins with; a number that is not known is another format, which is not read.
const VERSION: u8 = 2;
/// A tally that says nothing of how long requests waited for a connection.
const WITHOUT_QUEUE: u8 = 1;

/// The longest text and the longest list that are read.
const LENGTH_MAX: u64 = 4096;

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or(0));
    }

    fn float(&mut self, float: f64) {
        self.0.extend(float.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn mean(&mut self, mean: Mean) {
        self.number(u64::from(mean.count));
        if mean.count > 0 {
            self.float(mean.sum);
        }
    }

    fn spread(&mut self, spread: &Spread) {
        let (buckets, sum_micros) = spread.raw();
        self.number(sum_micros);
        self.number(buckets.len() as u64);
        for (index, count) in buckets {
            self.number(u64::from(*index));
            self.number(u64::from(*count));
        }
    }

    fn route(&mut self, route: &RouteTally) {
        route.outcomes.counts().into_iter().for_each(|count| self.number(count));
        route.statuses.into_iter().for_each(|count| self.number(count));
        self.number(route.errors);
        self.number(route.bytes_sent);
        self.number(route.bytes_saved);
        self.number(route.redis_hits);
        self.number(route.origin_requests);
        self.number(route.origin_micros);
        self.number(route.saved_requests);
        self.number(route.saved_micros);
        self.spread(&route.duration);
        self.spread(&route.upstream_time);
        self.spread(&route.queue_time);
    }

    fn upstream(&mut self, upstream: &UpstreamTally) {
        self.number(upstream.requests);
        self.number(upstream.errors);
        self.number(upstream.retries);
        self.mean(upstream.latency_ms);
        self.mean(upstream.in_flight);
        self.mean(upstream.healthy_ratio);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    fn length(&mut self) -> Option<usize> {
        let length = self.number().filter(|length| *length <= LENGTH_MAX)?;
        usize::try_from(length).ok()
    }

    fn float(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes)).filter(|float| float.is_finite())
    }

    fn text(&mut self) -> Option<Arc<str>> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(Arc::from)
    }

    fn mean(&mut self) -> Option<Mean> {
        let count = self.small()?;
        let sum = if count > 0 { self.float()? } else { 0.0 };
        Some(Mean { sum, count })
    }

    fn numbers<const N: usize>(&mut self) -> Option<[u64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Some(numbers)
    }

    fn spread(&mut self) -> Option<Spread> {
        let sum_micros = self.number()?;
        let buckets = (0..self.length()?).map(|_| Some((self.small()?, self.small()?)));
        Spread::of_raw(buckets.collect::<Option<_>>()?, sum_micros)
    }

    fn route(&mut self, version: u8) -> Option<RouteTally> {
        Some(RouteTally {
            outcomes: Outcomes::of_counts(self.numbers()?),
            statuses: self.numbers()?,
            errors: self.number()?,
            bytes_sent: self.number()?,
            bytes_saved: self.number()?,
            redis_hits: self.number()?,
            origin_requests: self.number()?,
            origin_micros: self.number()?,
            saved_requests: self.number()?,
            saved_micros: self.number()?,
            duration: self.spread()?,
            upstream_time: self.spread()?,
            queue_time: if version == WITHOUT_QUEUE {
                Spread::default()
            } else {
                self.spread()?
            },
        })
    }

    fn upstream(&mut self) -> Option<UpstreamTally> {
        Some(UpstreamTally {
            requests: self.number()?,
            errors: self.number()?,
            retries: self.number()?,
            latency_ms: self.mean()?,
            in_flight: self.mean()?,
            healthy_ratio: self.mean()?,
        })
    }
}

/// A tally as bytes.
pub(crate) fn of_tally(tally: &Tally) -> Vec<u8> {
    let mut writer = Writer(vec![VERSION]);
    writer.float(tally.seconds);
    writer.number(COUNTERS as u64);
    tally.counters.into_iter().for_each(|count| writer.float(count));
    writer.number(GAUGES as u64);
    tally.gauges.into_iter().for_each(|gauge| writer.mean(gauge));
    writer.route(&tally.all);
    writer.number(tally.routes.len() as u64);
    for (name, route) in &tally.routes {
        writer.text(name);
        writer.route(route);
    }
    writer.number(tally.upstreams.len() as u64);
    for (name, upstream) in &tally.upstreams {
        writer.text(name);
        writer.upstream(upstream);
    }
    writer.0
}

/// The tally that these bytes are.
pub(crate) fn tally(bytes: &[u8]) -> Option<Tally> {
    let mut reader = Reader(bytes);
    let version = reader
        .byte()
        .filter(|version| matches!(*version, WITHOUT_QUEUE | VERSION))?;
    let seconds = reader.float()?;
    let mut counters = [0.0; COUNTERS];
    for index in 0..reader.length()? {
        let value = reader.float()?;
        // A later version may have more of them, behind the ones that are known here.
        if let Some(counter) = counters.get_mut(index) {
            *counter = value;
        }
    }
    let mut gauges = [Mean::default(); GAUGES];
    for index in 0..reader.length()? {
        let value = reader.mean()?;
        if let Some(gauge) = gauges.get_mut(index) {
            *gauge = value;
        }
    }
    let all = reader.route(version)?;
    let routes = (0..reader.length()?)
        .map(|_| Some((reader.text()?, reader.route(version)?)))
        .collect::<Option<_>>()?;
    let upstreams = (0..reader.length()?)
        .map(|_| Some((reader.text()?, reader.upstream()?)))
        .collect::<Option<_>>()?;
    Some(Tally {
        seconds,
        all,
        routes,
        upstreams,
        counters,
        gauges,
    })
}

/// The values of a point as bytes: which of them are known, a bit for each, and those.
pub(crate) fn of_row(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0u8; values.len().div_ceil(8)];
    for (index, _) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        bytes[index / 8] |= 1 << (index % 8);
    }
    for value in values.iter().filter(|value| value.is_finite()) {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

/// The values of a point of `columns` series that these bytes are.
pub(crate) fn row(bytes: &[u8], columns: usize) -> Option<Vec<f32>> {
    let (known, mut rest) = bytes.split_at_checked(columns.div_ceil(8))?;
    let mut values = vec![f32::NAN; columns];
    for (index, value) in values.iter_mut().enumerate() {
        if known[index / 8] & (1 << (index % 8)) != 0 {
            let (bytes, behind) = rest.split_first_chunk()?;
            (*value, rest) = (f32::from_le_bytes(*bytes), behind);
        }
    }
    rest.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn sample(millis: &[u64], name: &str) -> Tally {
        let mut tally = Tally {
            seconds: 60.5,
            ..Tally::default()
        };
        let mut route = RouteTally {
            bytes_sent: u64::MAX,
            ..RouteTally::default()
        };
        millis
            .iter()
            .for_each(|millis| route.duration.add(Duration::from_millis(*millis)));
        route.outcomes.hit = millis.len() as u64;
        tally.all.merge(&route);
        tally.routes.insert(name.into(), route);
        tally.upstreams.insert(
            "api".into(),
            UpstreamTally {
                latency_ms: Mean { sum: 1.5, count: 1 },
                ..UpstreamTally::default()
            },
        );
        tally.gauges[3] = Mean { sum: 0.25, count: 2 };
        tally.counters[1] = 7.0;
        tally
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(millis in prop::collection::vec(0u64..100_000, 0..40), name in "\\PC{0,20}") {
            let mut written = sample(&millis, &name);
            // Each time has its own.
            written.all.upstream_time.add(Duration::from_millis(7));
            written.all.queue_time.add(Duration::from_millis(70));
            prop_assert_eq!(tally(&of_tally(&written)), Some(written));
        }

        /// As the version before wrote it: without the waits, which are empty here and take two bytes.
        #[test]
        fn what_the_version_before_wrote_is_read(millis in prop::collection::vec(0u64..100_000, 0..40)) {
            let written = sample(&millis, "shop");
            let mut bytes = of_tally(&written);
            for route in [&written.all, &written.routes["shop"]] {
                let mut writer = Writer::default();
                writer.route(route);
                let at = bytes.windows(writer.0.len()).position(|window| window == writer.0).unwrap();
                bytes.drain(at + writer.0.len() - 2..at + writer.0.len());
            }
            bytes[0] = WITHOUT_QUEUE;
            prop_assert_eq!(tally(&bytes), Some(written));
        }

        #[test]
        fn points_are_read_again(values in prop::collection::vec(prop::option::of(-1e9f32..1e9), 0..80)) {
            let values: Vec<f32> = values.into_iter().map(|value| value.unwrap_or(f32::NAN)).collect();
            let read = row(&of_row(&values), values.len()).unwrap();
            prop_assert!(values.iter().zip(&read).all(|(one, other)| one.to_bits() == other.to_bits()));
        }

        /// Whatever lies in the file, reading it ends, and says nothing rather than something wrong.
        #[test]
        fn garbage_is_nothing_or_a_tally(bytes in prop::collection::vec(any::<u8>(), 0..300), columns in 0usize..100) {
            let _ = tally(&bytes);
            let _ = row(&bytes, columns);
        }

        #[test]
        fn what_is_cut_off_is_nothing(cut in 0usize..100) {
            let bytes = of_tally(&sample(&[1, 2, 3], "shop"));
            prop_assert_eq!(tally(&bytes[..cut.min(bytes.len() - 1)]), None);
        }
    }
}
