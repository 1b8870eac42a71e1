//! Popularity as it is on the web: the key of rank r is asked for with a probability proportional to 1 / r^skew (Zipf's law;
//! Breslau et al., "Web Caching and Zipf-like Distributions", 1999).

/// Draws ranks.
pub(crate) struct Zipf {
    /// The probability that a rank is drawn, or a smaller one.
    cumulative: Box<[f64]>,
}

impl Zipf {
    /// The distribution over the ranks from 0 to `keys - 1`.
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 keys")]
    pub(crate) fn new(keys: usize, skew: f64) -> Self {
        let weight = |rank: usize| ((rank + 1) as f64).powf(-skew);
        let total: f64 = (0..keys).map(weight).sum();
        let mut sum = 0.0;
        let cumulative = (0..keys).map(|rank| {
            sum += weight(rank) / total;
            sum
        });
        Self {
            cumulative: cumulative.collect(),
        }
    }

    /// A rank.
    pub(crate) fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        let point = rng.f64();
        // The last sum may be a little below 1.
        self.cumulative
            .partition_point(|sum| *sum <= point)
            .min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(keys: usize, skew: f64, draws: u32) -> Vec<f64> {
        let zipf = Zipf::new(keys, skew);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut counts = vec![0u32; keys];
        for _ in 0..draws {
            counts[zipf.draw(&mut rng)] += 1;
        }
        counts
            .iter()
            .map(|count| f64::from(*count) / f64::from(draws))
            .collect()
    }

    #[test]
    fn ranks_come_as_often_as_the_law_says() {
        // Of three keys with skew 1 the shares are 6/11, 3/11 and 2/11.
        let shares = shares(3, 1.0, 200_000);
        for (share, expected) in shares.iter().zip([6.0 / 11.0, 3.0 / 11.0, 2.0 / 11.0]) {
            assert!((share - expected).abs() < 0.005, "{share} is not {expected}");
        }
    }

    #[test]
    fn skew_is_the_slope_between_any_two_ranks() {
        let shares = shares(1000, 0.8, 1_000_000);
        for (one, other) in [(0usize, 9usize), (1, 19), (4, 49)] {
            let ratio = shares[one] / shares[other];
            let expected = 10f64.powf(0.8);
            assert!(
                (ratio / expected - 1.0).abs() < 0.1,
                "{one} to {other}: {ratio} is not {expected}"
            );
        }
    }

    #[test]
    fn no_skew_is_even() {
        for share in shares(10, 0.0, 200_000) {
            assert!((share - 0.1).abs() < 0.005, "{share}");
        }
    }
}
