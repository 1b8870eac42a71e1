//! The files that never change, plain and compressed once.

use crate::shop::resource::Asset;
use crate::shop::words::PROSE;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;

/// All files of a shop.
#[derive(Debug)]
pub struct Files(Vec<File>);

/// One of them.
#[derive(Debug)]
struct File {
    plain: Bytes,
    gzip: Bytes,
}

impl Files {
    /// The files that belong to `seed`, in the order of [`Asset::ALL`].
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let files = Asset::ALL.map(|asset| match asset {
            Asset::Logo => logo(&mut rng),
            Asset::Style => style(&mut rng),
            Asset::Script => script(&mut rng),
        });
        Self(
            files
                .into_iter()
                .map(|text| File {
                    gzip: gzip(text.as_bytes()),
                    plain: text.into(),
                })
                .collect(),
        )
    }

    /// The bytes of a file in one of its encodings.
    #[must_use]
    pub fn bytes(&self, asset: Asset, is_gzip: bool) -> &Bytes {
        let file = &self.0[asset as usize];
        if is_gzip { &file.gzip } else { &file.plain }
    }
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("a vector takes everything").into()
}

/// About 2 KiB of picture.
fn logo(rng: &mut fastrand::Rng) -> String {
    let mut text = String::from(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">"#);
    for _ in 0..32 {
        let (x, y, radius, hue) = (rng.u8(..100), rng.u8(..100), rng.u8(2..20), rng.u16(..360));
        let circle =
            format_args!(r#"<circle cx="{x}" cy="{y}" r="{radius}" fill="hsl({hue} 60% 50% / .5)"/>"#).to_string();
        text.push_str(&circle);
    }
    text.push_str("</svg>");
    text
}

/// About 20 KiB of style sheet.
fn style(rng: &mut fastrand::Rng) -> String {
    let mut text = String::new();
    for number in 0..300 {
        let (word, hue, space) = (PROSE[rng.usize(..PROSE.len())], rng.u16(..360), rng.u8(..40));
        writeln!(
            text,
            ".{word}-{number} {{ color: hsl({hue} 50% 40%); padding: {space}px; }}"
        )
        .expect("a string takes everything");
    }
    text
}

/// About 60 KiB of script.
fn script(rng: &mut fastrand::Rng) -> String {
    let mut text = String::new();
    for number in 0..700 {
        let (word, other) = (PROSE[rng.usize(..PROSE.len())], PROSE[rng.usize(..PROSE.len())]);
        let value = rng.u32(..);
        writeln!(
            text,
            "export function {word}_{number}({other}) {{ return {other} * {value} + {number}; }}"
        )
        .expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn files_belong_to_their_seed_and_unpack_to_themselves() {
        let (one, same, other) = (Files::generate(1), Files::generate(1), Files::generate(2));
        for asset in Asset::ALL {
            let plain = one.bytes(asset, false);
            assert_eq!(plain, same.bytes(asset, false));
            assert_ne!(plain, other.bytes(asset, false));
            assert!((1_000..100_000).contains(&plain.len()), "{}", plain.len());
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&**one.bytes(asset, true))
                .take(1 << 20)
                .read_to_end(&mut unpacked)
                .unwrap();
            assert_eq!(plain, &unpacked);
        }
    }
}
