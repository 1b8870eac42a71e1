//! The distributions that make a sample look like the real thing: Zipf for what is popular, log-normal for sizes and latencies.

use peregrine_base::Random;

/// Ranks from 0 on, of which rank `k` is drawn in proportion to `1 / (k + 1)^exponent`.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// The share of all ranks up to and including this one.
    cumulated: Vec<f64>,
}

impl Zipf {
    /// A distribution over `count` ranks. Web traffic is usually described by exponents a little below 1 (Breslau et al. 1999).
    ///
    /// # Panics
    /// When `count` is 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^53")]
    pub fn new(count: usize, exponent: f64) -> Self {
        assert!(count > 0, "a distribution needs something to draw");
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
        let mut cumulated: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        for share in &mut cumulated {
            *share /= sum;
        }
        Self { cumulated }
    }

    /// Draws a rank.
    pub fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        let unit = rng.f64();
        self.cumulated
            .partition_point(|share| *share <= unit)
            .min(self.cumulated.len() - 1)
    }
}

/// A factor that is log-normally distributed around 1: half of all draws are below it.
pub(crate) fn log_normal(random: &dyn Random, sigma: f64) -> f64 {
    // Box and Muller (1958); 1 - u is never 0.
    let radius = (-2.0 * (1.0 - random.next_unit()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * random.next_unit()).cos();
    (sigma * normal).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use peregrine_base::SeededRandom;

    #[test]
    fn zipf_has_its_shape() {
        let (zipf, mut rng) = (Zipf::new(1000, 0.99), fastrand::Rng::with_seed(3));
        let mut counts = [0u32; 1000];
        for _ in 0..1_000_000 {
            counts[zipf.draw(&mut rng)] += 1;
        }
        // The share of rank k is 1 / (k^0.99 × H), where H, the sum over all ranks, is 7.7285 for a thousand of them.
        for (rank, expected) in [(1, 129_390.0), (2, 65_144.0), (10, 13_240.0), (100, 1_355.0)] {
            let drawn = f64::from(counts[rank - 1]);
            assert!(
                (drawn / expected - 1.0).abs() < 0.12,
                "rank {rank}: {drawn} of {expected}"
            );
        }
        assert!(counts.iter().all(|count| *count > 0), "the long tail is drawn, too");
    }

    #[test]
    fn a_single_rank_is_always_drawn() {
        let (zipf, mut rng) = (Zipf::new(1, 0.99), fastrand::Rng::with_seed(3));
        assert!((0..100).all(|_| zipf.draw(&mut rng) == 0));
    }

    #[test]
    fn log_normal_has_its_median_and_spread() {
        let random = SeededRandom::new(5);
        let mut draws: Vec<f64> = (0..20_000).map(|_| log_normal(&random, 0.5)).collect();
        draws.sort_by(f64::total_cmp);
        // One standard deviation to each side of the median: e^±0.5.
        for (share, expected) in [(0.5, 1.0), (0.1587, 0.6065), (0.8413, 1.6487)] {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an index below 20,000"
            )]
            let drawn = draws[(share * 20_000.0) as usize];
            assert!((drawn / expected - 1.0).abs() < 0.05, "{share}: {drawn} of {expected}");
        }
    }
}
