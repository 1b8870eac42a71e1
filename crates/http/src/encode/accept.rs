//! Which codings a request takes (RFC 9110 §12.5.3), in the order in which it gets them.

use crate::policy::Fields;
use http::header::ACCEPT_ENCODING;
use peregrine_cache::Coding;

/// What a request takes of what is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The codings that are to be preferred to none, the best first.
    codings: [Option<Coding>; Coding::ALL.len()],
    /// Whether it takes content without any coding.
    pub(crate) identity: bool,
}

impl Accepted {
    /// Nothing but content without any coding.
    pub(crate) const IDENTITY: Self = Self {
        codings: [None; Coding::ALL.len()],
        identity: true,
    };

    /// The codings, the best first.
    pub(crate) fn codings(self) -> impl Iterator<Item = Coding> {
        self.codings.into_iter().flatten()
    }
}

/// What `request` says about the `offered` codings, which stand in the server's order of preference. Clients that say nothing
/// get no coding: by the letter they take any, but those that can decode say so.
pub(crate) fn accepted(request: &impl Fields, offered: &[Coding]) -> Accepted {
    let said = Said::read(request);
    let weight = |coding: &Coding| said.codings[*coding as usize].or(said.any).unwrap_or(0);
    let identity = said.identity.or(said.any);
    // Without a word about it, no coding is acceptable, and the last choice (RFC 9110 §12.5.3).
    let least = identity.unwrap_or(0).max(1);
    let mut codings = [None; Coding::ALL.len()];
    let taken = offered.iter().filter(|coding| weight(coding) >= least);
    for (free, coding) in taken.take(codings.len()).enumerate() {
        // Behind all that weigh as much: the server's order decides between those.
        let lighter = |other: &Option<Coding>| other.is_none_or(|other| weight(&other) < weight(coding));
        let place = codings.iter().position(lighter).unwrap_or(free);
        codings[place..=free].rotate_right(1);
        codings[place] = Some(*coding);
    }
    Accepted {
        codings,
        identity: identity != Some(0),
    }
}

/// The weights in a request, in thousandths.
#[derive(Default)]
struct Said {
    codings: [Option<u16>; Coding::ALL.len()],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Said {
    fn read(request: &impl Fields) -> Self {
        let mut said = Self::default();
        let lines = request.lines(ACCEPT_ENCODING.as_str());
        for member in lines.flat_map(|line| line.split(|byte| *byte == b',')) {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            let place = if is("zstd") {
                &mut said.codings[Coding::Zstd as usize]
            } else if is("br") {
                &mut said.codings[Coding::Brotli as usize]
            } else if is("gzip") || is("x-gzip") {
                &mut said.codings[Coding::Gzip as usize]
            } else if is("identity") {
                &mut said.identity
            } else if name == b"*" {
                &mut said.any
            } else {
                continue;
            };
            // Who names one twice means the less of it.
            let weight = weight(parts);
            *place = Some(place.map_or(weight, |before| before.min(weight)));
        }
        said
    }
}

/// The weight among the parameters of a member: one without, and zero for what cannot be read.
fn weight<'a>(parameters: impl Iterator<Item = &'a [u8]>) -> u16 {
    let mut weights = parameters.filter_map(|parameter| match parameter {
        [b'q' | b'Q', b'=', value @ ..] => Some(quality(value).unwrap_or(0)),
        _ => None,
    });
    weights.next().unwrap_or(1000)
}

/// A `qvalue` (RFC 9110 §12.4.2) in thousandths.
fn quality(value: &[u8]) -> Option<u16> {
    let (whole, digits) = match value {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = digits
            .get(place)
            .map_or(Some(0), |digit| digit.is_ascii_digit().then(|| digit - b'0'))?;
        thousandths = thousandths * 10 + u16::from(digit);
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}
