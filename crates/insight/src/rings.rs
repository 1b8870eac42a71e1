//! All rings: those of the whole program and those of each route and upstream that has a history of its own.
//!
//! Full, after 30 days: the whole program 1 s × 1 h, 10 s × 24 h, 1 min × 30 d and 15 min × 30 d, 58,320 points of 51
//! series, the columns of the heat map that are used (about 10) and the time, 4 bytes each: at most 15 MB, and about 60% of
//! that on a machine that does not know everything. A route 10 s × 2 h, 1 min × 24 h and 15 min × 30 d: 5,040 points of 11
//! series and the time, 242 kB; an upstream 141 kB. With 32 routes and 8 upstreams together about 23 MB. After one hour it is
//! 1 MB, after a start nothing.

use crate::figures;
use crate::ring::Ring;
use crate::series::{GLOBAL, HEAT, ROUTE, Series, UPSTREAM};
use crate::tally::{Tally, Tracked};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Resolution in seconds, and the most points; the second is bounded by the retention too.
const OF_ALL: [(u32, usize); 4] = [(1, 3600), (10, 8640), (60, 43_200), (900, 2880)];
const OF_ONE: [(u32, usize); 3] = [(10, 720), (60, 1440), (900, 2880)];

/// What a ring is about. The numbers stand in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// The whole program.
    All,
    /// A route.
    Route(Arc<str>),
    /// An upstream.
    Upstream(Arc<str>),
}

impl About {
    pub(crate) fn series(&self) -> &'static [Series] {
        match self {
            Self::All => GLOBAL,
            Self::Route(_) => ROUTE,
            Self::Upstream(_) => UPSTREAM,
        }
    }

    /// Series and, for the whole program, the columns of the heat map.
    pub(crate) fn columns(&self) -> usize {
        match self {
            Self::All => GLOBAL.len() + HEAT,
            Self::Route(_) | Self::Upstream(_) => self.series().len(),
        }
    }
}

/// A point that was made.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) about: About,
    pub(crate) resolution_s: u32,
    pub(crate) at: u32,
    pub(crate) values: Vec<f32>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Rings {
    rings: BTreeMap<About, Vec<Ring>>,
    retention_s: u64,
    routes_max: usize,
    upstreams_max: usize,
}

impl Rings {
    pub(crate) fn new(retention: Duration, routes_max: usize, upstreams_max: usize) -> Self {
        Self {
            rings: BTreeMap::new(),
            retention_s: retention.as_secs(),
            routes_max,
            upstreams_max,
        }
    }

    /// How long points of `resolution_s` are kept, in seconds.
    pub(crate) fn kept_s(&self, about: &About, resolution_s: u32) -> u64 {
        let sizes: &[(u32, usize)] = if *about == About::All { &OF_ALL } else { &OF_ONE };
        let points = sizes
            .iter()
            .find(|(resolution, _)| *resolution == resolution_s)
            .map_or(0, |(_, points)| *points);
        (u64::from(resolution_s) * points as u64).min(self.retention_s)
    }

    /// The resolutions of everything that is kept, with how long they are kept at most.
    pub(crate) fn resolutions(&self) -> impl Iterator<Item = (u32, u64)> {
        OF_ALL
            .iter()
            .map(|(resolution, _)| (*resolution, self.kept_s(&About::All, *resolution)))
    }

    fn of(&mut self, about: &About) -> &mut Vec<Ring> {
        let retention_s = self.retention_s;
        self.rings.entry(about.clone()).or_insert_with(|| {
            let sizes: &[(u32, usize)] = if *about == About::All { &OF_ALL } else { &OF_ONE };
            let capacity = |resolution: u32, points: usize| {
                points.min(usize::try_from(retention_s / u64::from(resolution)).unwrap_or(points))
            };
            let ring = |(resolution, points): &(u32, usize)| {
                Ring::new(about.columns(), *resolution, capacity(*resolution, *points))
            };
            sizes.iter().map(ring).collect()
        })
    }

    /// Keeps a point, unless it is about something more than there is room for.
    pub(crate) fn push(&mut self, point: &Point) {
        let has_room = match &point.about {
            About::All => true,
            About::Route(name) => Tracked::route(self, name),
            About::Upstream(name) => Tracked::upstream(self, name),
        };
        if has_room
            && let Some(ring) = self
                .of(&point.about)
                .iter_mut()
                .find(|ring| ring.resolution_s() == point.resolution_s)
        {
            ring.push(point.at, &point.values);
        }
    }

    /// The points of `resolution_s` that `tally` makes, which ended at `at`: that of the whole program and, where points of
    /// that resolution are kept of them, those of all routes and upstreams.
    pub(crate) fn points(&self, tally: &Tally, resolution_s: u32, at: u64, threshold: Duration) -> Vec<Point> {
        let Ok(at) = u32::try_from(at) else { return Vec::new() };
        let point = |about, values| Point {
            about,
            resolution_s,
            at,
            values,
        };
        let mut points = vec![point(About::All, figures::global_row(tally, threshold))];
        if !OF_ONE.iter().any(|(resolution, _)| *resolution == resolution_s) {
            return points;
        }
        let (no_route, no_upstream) = (Default::default(), Default::default());
        for about in self.rings.keys() {
            match about {
                About::All => {}
                About::Route(name) => {
                    let did = tally.routes.get(name).unwrap_or(&no_route);
                    points.push(point(about.clone(), figures::route_row(did, tally.seconds)));
                }
                About::Upstream(name) => {
                    let did = tally.upstreams.get(name).unwrap_or(&no_upstream);
                    points.push(point(about.clone(), figures::upstream_row(did, tally.seconds)));
                }
            }
        }
        points
    }

    /// The rings about something, the finest first.
    pub(crate) fn about(&self, about: &About) -> &[Ring] {
        self.rings.get(about).map_or(&[], Vec::as_slice)
    }

    /// What has a history of its own.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &About> {
        self.rings.keys()
    }

    /// How many points there are.
    pub(crate) fn count(&self) -> usize {
        self.rings.values().flatten().map(Ring::count).sum()
    }

    /// Bytes that they occupy.
    pub(crate) fn bytes(&self) -> usize {
        self.rings.values().flatten().map(Ring::bytes).sum()
    }

    fn track(&mut self, about: About, max: usize) -> bool {
        if self.rings.contains_key(&about) {
            return true;
        }
        let alike = |known: &&About| std::mem::discriminant(*known) == std::mem::discriminant(&about);
        let has_room = self.rings.keys().filter(alike).count() < max;
        if has_room {
            self.of(&about);
        }
        has_room
    }
}

impl Tracked for Rings {
    fn route(&mut self, name: &Arc<str>) -> bool {
        self.track(About::Route(Arc::clone(name)), self.routes_max)
    }

    fn upstream(&mut self, name: &Arc<str>) -> bool {
        self.track(About::Upstream(Arc::clone(name)), self.upstreams_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_history_takes_what_is_documented() {
        let bytes = |about: About| {
            let mut rings = Rings::new(Duration::from_secs(30 * 86_400), 32, 32);
            let known = if about == About::All {
                about.columns() - HEAT + 10
            } else {
                about.columns()
            };
            for resolution_s in [1u32, 10, 60, 900] {
                for count in 0..44_000 {
                    let mut values = vec![f32::NAN; about.columns()];
                    values[..known].fill(1.0);
                    let (about, at) = (about.clone(), count * resolution_s);
                    rings.push(&Point {
                        about,
                        resolution_s,
                        at,
                        values,
                    });
                }
            }
            rings.bytes()
        };
        let (all, route, upstream) = (
            bytes(About::All),
            bytes(About::Route("a".into())),
            bytes(About::Upstream("b".into())),
        );
        assert!((14_000_000..15_000_000).contains(&all), "{all}");
        assert!((240_000..244_000).contains(&route), "{route}");
        assert!((140_000..143_000).contains(&upstream), "{upstream}");
    }
}
